/** Alerts of Suricata, from eve.json or fast.log, pushed or followed. */
import { z } from 'zod'
import type { Alert } from '#contract/alert.ts'
import type { Connector, ReadContext } from '#contract/connector.ts'
import { listOf, Switch } from '#contract/settings.ts'
import { followFile } from '../follow-file.ts'
import { makeAlerts } from '../make-alerts.ts'
import { isBlank, readObject } from '../read-record.ts'
import { testFiles } from '../test-files.ts'
import { eveExpected, readEve } from './eve.ts'
import { isFast, readFast } from './fast.ts'
import { HomeNets } from './home-nets.ts'
import { isZone } from './local-time.ts'

// A followed fast.log is written on this machine, so its local time is most likely this machine's.
const machineZone = Intl.DateTimeFormat().resolvedOptions().timeZone

const Settings = z.strictObject({
  files: listOf(z.string().min(1))
    .prefault([])
    .meta({ description: 'paths of eve.json or fast.log to follow; lines tell which it is' }),
  from: z
    .enum(['end', 'start'])
    .default('end')
    .meta({ description: 'where to begin in a file that was never read before' }),
  home_nets: HomeNets,
  trust_xff: Switch.prefault(false).meta({
    description: 'take X-Forwarded-For for the client; only behind a proxy that sets it itself',
  }),
  zone: z
    .string()
    .refine(isZone, { error: 'is no time zone such as Europe/Berlin or UTC' })
    .optional()
    .meta({ description: "zone of fast.log's local time; this machine's when not set" }),
})
type Settings = z.output<typeof Settings>

export const connector: Connector<Settings> = {
  name: 'suricata',
  title: 'Suricata',
  settings: Settings,
  read,
  sources: ({ files, from }) =>
    files.map((path) => followFile({ key: `suricata:${path}`, path, from })),
  test: (settings) =>
    testFiles(settings.files, (line) => read(line, { settings, now: Date.now() })),
}

function read(record: unknown, { settings, now }: ReadContext<Settings>): Alert[] {
  if (isBlank(record)) return []
  const direction = { home: settings.home_nets, trustXff: settings.trust_xff }
  if (typeof record === 'string' && isFast(record))
    return readFast(record, settings.zone ?? machineZone, direction).flatMap((seen) =>
      makeAlerts(seen, record, now),
    )
  const seen = readEve(readObject(record, eveExpected), direction)
  return seen ? makeAlerts(seen, record, now) : []
}
