/** The live stream of an OpenCTI platform: its indicators become alerts, and what it takes back is lifted. */
import type { Connector } from '#contract/connector.ts'
import { isBlank } from '../read-record.ts'
import { environment } from './environment.ts'
import { readEvent } from './event.ts'
import { followStream } from './follow.ts'
import { servePresence } from './presence.ts'
import { alertsOf } from './said.ts'
import { Settings } from './settings.ts'
import { withdrawalsOf } from './taken-back.ts'
import { testStream } from './test-stream.ts'

export const connector: Connector<Settings> = {
  name: 'opencti-stream',
  title: 'OpenCTI live stream',
  settings: Settings,
  environment,
  read(record, { settings, now }) {
    if (isBlank(record)) return []
    const event = readEvent(record)
    return event ? alertsOf(event, record, settings, now) : []
  },
  withdrawals(record, { settings, now }) {
    if (isBlank(record)) return []
    const event = readEvent(record)
    return event ? withdrawalsOf(event, settings, now) : []
  },
  sources: (settings) =>
    settings.stream === undefined && settings.url === undefined ? [] : [followStream(settings)],
  serve: (settings) => servePresence(settings),
  test: testStream,
}
