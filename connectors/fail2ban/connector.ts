/** Bans of fail2ban: as alerts that the policy judges, or as orders that are carried out and taken back by fail2ban's time. */
import { z } from 'zod'
import type { ActiveResponse } from '#contract/active-response.ts'
import type { Alert } from '#contract/alert.ts'
import type { Connector, ReadContext } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { makeAlerts } from '../make-alerts.ts'
import { pickAddress } from '../pick-address.ts'
import { type JsonObject, numberAt, textAt } from '../read-path.ts'
import { isBlank, notUnderstood, readObject } from '../read-record.ts'

const Settings = z.strictObject({
  severity: z.coerce
    .number()
    .int()
    .min(0)
    .max(100)
    .default(70)
    .meta({ description: 'of a ban that is judged as an alert: fail2ban itself knows none' }),
})
type Settings = z.output<typeof Settings>

const expected = 'a record of cordon-ban (an object with command, jail and ip)'

/** What fail2ban calls permanent lasts here as long as anything may be ordered; `fail2ban-client` may order it again. */
const permanentMs = 366 * 24 * 3_600_000

export const connector: Connector<Settings> = {
  name: 'fail2ban',
  title: 'fail2ban',
  settings: Settings,
  read,
  order: readBan,
}

/** An unban is no alert. */
function read(record: unknown, { settings, now }: ReadContext<Settings>): Alert[] {
  if (isBlank(record)) return []
  const given = readObject(record, expected)
  if (commandOf(given) !== 'ban') return []
  const [jail, time] = [jailOf(given), numberAt(given, 'time')]
  return makeAlerts(
    {
      source: 'fail2ban',
      id: [textAt(given, 'host'), jail, textAt(given, 'ip'), time],
      observed: time === undefined ? undefined : time * 1_000,
      rule: {
        id: jail,
        name: `fail2ban jail ${jail}`,
        severity: settings.severity,
        groups: ['fail2ban'],
        mitre: [],
      },
      attackers: [attackerOf(given)],
      victim: { host: textAt(given, 'host') },
      user: undefined,
      count: numberAt(given, 'failures'),
    },
    record,
    now,
  )
}

/** An unban is of fail2ban's own time or of a person, never of a stop: the action flushes nothing. So it is followed at once. */
function readBan(record: unknown): ActiveResponse {
  const given = readObject(record, expected)
  const order = commandOf(given) === 'ban' ? 'block' : 'lift'
  const failures = numberAt(given, 'failures')
  const seconds = numberAt(given, 'bantime')
  const lengthMs = seconds !== undefined && seconds < 0 ? permanentMs : (seconds ?? 0) * 1_000
  const counted = failures === undefined ? '' : `, ${failures} failures`
  return {
    order,
    targets: [attackerOf(given).text],
    because: printable(`jail ${jailOf(given)}${counted}`, 150),
    ...(order === 'block' && lengthMs > 0 && { lengthMs }),
  }
}

function commandOf(given: JsonObject): 'ban' | 'unban' {
  const command = textAt(given, 'command')
  if (command === 'ban' || command === 'unban') return command
  throw notUnderstood(`the command is ${printable(`"${command}"`, 40)}, which is none`, expected)
}

function jailOf(given: JsonObject): string {
  const jail = textAt(given, 'jail')
  if (jail !== undefined) return jail
  throw notUnderstood('the record names no jail', expected)
}

function attackerOf(given: JsonObject) {
  const address = pickAddress(textAt(given, 'ip'))
  if (address) return address
  throw notUnderstood('the record names no address', expected)
}
