/** TheHive 5: questions become alerts there, and what people answer on them is taken. */
import type { Connector } from '#contract/connector.ts'
import { systemClock } from '../clock.ts'
import { readObject } from '../read-record.ts'
import { serveAnswers } from './answers.ts'
import { publishToTheHive } from './publish.ts'
import { Settings } from './settings.ts'
import { tryOut } from './try-out.ts'

export const connector: Connector<Settings> = {
  name: 'thehive',
  title: 'TheHive',
  settings: Settings,
  /** Its web hook only wakes: TheHive does not sign it, so nothing that it says is taken for true. */
  read(record) {
    readObject(record, 'an event of TheHive')
    return []
  },
  publisher: publishToTheHive,
  serve: (settings, cordon) => serveAnswers(settings, cordon, systemClock),
  test: (settings, signal) => tryOut(settings, signal),
}
