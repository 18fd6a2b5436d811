/** An event to alerts: what it says of addresses now, one alert each. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { makeAlerts } from '../make-alerts.ts'
import { isOwn, refusal } from './admit.ts'
import type { StreamEvent } from './event.ts'
import { type IntelObject, readIntel } from './object.ts'
import { timeOf } from './place.ts'
import type { Settings } from './settings.ts'

export const source = 'opencti-stream'

const latest = Date.UTC(9999, 11, 31)

/** Every alert keeps a copy of the event. */
const mostAddresses = 256

/** Every version of an object makes its own alert, which a repeat of the event gives the same id. */
export function alertsOf(
  event: StreamEvent,
  record: unknown,
  settings: Settings,
  now: number,
): Alert[] {
  if (event.event === 'delete') return []
  const object = readIntel(event.object)
  if (!object?.addresses || refusal(object, settings, now) || isOwn(event, object, settings))
    return []
  const observed = object.modified ?? timeOf(event.id)
  const ends = Math.min(object.validUntil ?? observed + settings.assume_valid, latest)
  const { id: statement } = object
  const addresses = [...new Map(object.addresses.map((one) => [one.text, one])).values()]
  if (addresses.length > mostAddresses)
    throw new Problem('invalid_input', `${statement} names ${addresses.length} addresses`, {
      remedy: `split it into indicators of at most ${mostAddresses} addresses`,
    })
  return addresses
    .flatMap((address) =>
      makeAlerts(
        {
          source,
          id: [statement, address.text, observed],
          observed,
          rule: ruleOf(object),
          attackers: [address],
          victim: {},
          user: undefined,
        },
        record,
        now,
      ),
    )
    .map((alert) => ({ ...alert, statement, ends: printTime(ends) }))
}

function ruleOf({ id, name, score, labels, types }: IntelObject) {
  return { id, name, severity: score ?? 0, groups: [...new Set([...labels, ...types])], mitre: [] }
}
