/** Which orders that allow take effect from a block or a limit: wholly, or from a part of what it would stop. */
import { contains, overlaps, readAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import { audienceCovers } from '../decide/allowance.ts'
import {
  directionCovers,
  directionsMeet,
  isNarrow,
  isSameMeasure,
  scopesMeet,
} from '../decide/measure.ts'
import { printOnly } from '../decide/traffic.ts'
import type { Decision } from '../store/decisions.ts'
import { allowing } from '../store/in-force.ts'
import type { Reader } from '../store/store.ts'

/** Nothing that the order would stop on its target is stopped while this allow is in force. */
export function exempts(allow: Decision, order: Decision): boolean {
  return (
    (!isNarrow(allow) || isSameTraffic(allow, order)) &&
    directionCovers(allow.direction ?? 'both', order.direction ?? 'in') &&
    audienceCovers(allow.audience, order.audience)
  )
}

/**
 * What a person has to know who has just ordered a block or a limit: that it does nothing, or not all, while somebody
 * allows the address. Undefined where nothing is allowed of it.
 */
export async function tellExempt(
  db: Reader,
  order: Decision,
  now: number,
): Promise<string | undefined> {
  if (order.target === null || order.measure.action === 'allow') return undefined
  const target = readAddress(order.target)
  const beside = (await allowing(db, now)).flatMap((allow) => {
    const allowed = readAddress(allow.target ?? '')
    return overlaps(allowed, target) ? [{ allow, whole: contains(allowed, target) }] : []
  })
  const whole = beside.find((one) => one.whole && exempts(one.allow, order))
  if (whole) return say(whole.allow, 'this stops nothing while')
  const part = beside.find(({ allow }) => touches(allow, order))
  return part && say(part.allow, 'a part of it passes while')
}

/** Ports are of one side or the other by the direction, so that only the very same one says the same of them. */
function isSameTraffic(a: Decision, b: Decision): boolean {
  return a.direction === b.direction && isSameMeasure({ scope: a.scope }, { scope: b.scope })
}

function say(allow: Decision, effect: string): string {
  const { id, target, direction, notAfter, actor, note, scope } = allow
  const part = printOnly('allow', { direction, ...scope })
  const only = part === '' ? '' : `, only ${part}`
  const until = printTime(notAfter ?? 0)
  const who = `${actor ?? 'somebody'}: ${note ?? ''}`
  return `${effect} ${target} is allowed${only}, until ${until} (${who}); "cordon decision lift ${id}" ends that`
}

/** Some traffic and some node are the same. */
function touches(allow: Decision, order: Decision): boolean {
  return (
    directionsMeet(allow.direction ?? 'both', order.direction ?? 'in') &&
    scopesMeet(allow.scope, order.scope) &&
    (audienceCovers(allow.audience, order.audience) ||
      audienceCovers(order.audience, allow.audience))
  )
}
