/** Which orders that allow take effect from a block or a limit: wholly, or from a part of what it would stop. */
import { contains, overlaps, readAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import { audienceCovers } from '../decide/allowance.ts'
import { directionCovers, directionsMeet, isSameMeasure, scopesMeet } from '../decide/measure.ts'
import { printOnly } from '../decide/traffic.ts'
import type { Decision } from '../store/decisions.ts'
import { allowing } from '../store/in-force.ts'
import { type NodeReceipt, receiptsOf } from '../store/receipts.ts'
import type { Reader } from '../store/store.ts'

/** Nothing that the order would stop on its target is stopped while this allow is in force. */
export function exempts(allow: Decision, order: Decision): boolean {
  return (
    scopeCovers(allow, order) &&
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
  const receipts = await receiptsOf(
    db,
    beside.map(({ allow }) => allow.id),
  )
  const standing = beside.filter(({ allow }) => !isRefused(allow, receipts))
  const whole = standing.find((one) => one.whole && exempts(one.allow, order))
  if (whole) return say(whole.allow, 'this stops nothing while')
  const part = standing.find(({ allow }) => touches(allow, order))
  return part && say(part.allow, 'a part of it passes while')
}

/** Which side a port is of, and whether an interface may be either, hangs on the direction: then it has to be the same. */
function scopeCovers({ scope: wide, direction }: Decision, order: Decision): boolean {
  const { scope: narrow } = order
  const same = direction === order.direction
  if (wide.ports) return same && isSameMeasure({ scope: wide }, { scope: narrow })
  const either = order.direction === 'forward' && narrow.peer_interface === undefined
  return (
    (wide.protocol ?? narrow.protocol) === narrow.protocol &&
    (wide.peer_interface ?? narrow.peer_interface) === narrow.peer_interface &&
    (wide.interface === undefined || (wide.interface === narrow.interface && (same || !either))) &&
    (wide.peer === undefined || peerCovers(wide.peer, narrow.peer))
  )
}

function peerCovers(wide: string, narrow: string | undefined): boolean {
  return narrow !== undefined && contains(readAddress(wide), readAddress(narrow))
}

/** Every node that answered for it cannot do it: it exempts nothing. */
export function isRefused({ id }: Decision, receipts: readonly NodeReceipt[]): boolean {
  const own = receipts.filter(({ decision }) => decision === id)
  return own.length > 0 && own.every(({ status }) => status === 'refused' || status === 'failed')
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
export function touches(allow: Decision, order: Decision): boolean {
  return (
    directionsMeet(allow.direction ?? 'both', order.direction ?? 'in') &&
    scopesMeet(allow.scope, order.scope) &&
    (audienceCovers(allow.audience, order.audience) ||
      audienceCovers(order.audience, allow.audience))
  )
}
