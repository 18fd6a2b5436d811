/** TheHive 5: questions become alerts there, and what people answer on them is taken. */
import type { Connector } from '#contract/connector.ts'
import { systemClock } from '../clock.ts'
import { textAt } from '../read-path.ts'
import { notUnderstood, readObject } from '../read-record.ts'
import { serveAnswers } from './answers.ts'
import { publishToTheHive } from './publish.ts'
import { Settings } from './settings.ts'
import { tryOut } from './try-out.ts'

const expected = 'an event of TheHive'

export const connector: Connector<Settings> = {
  name: 'thehive',
  title: 'TheHive',
  settings: Settings,
  /** Its web hook only wakes: TheHive does not sign it, so nothing that it says is taken for true. */
  read(record) {
    const event = readObject(record, expected)
    if (textAt(event, 'objectType') === undefined)
      throw notUnderstood('the object says no objectType', expected)
    return []
  },
  publisher: publishToTheHive,
  serve: (settings, cordon) => serveAnswers(settings, cordon, systemClock),
  test: (settings, signal) => tryOut(settings, signal),
}
