/** Which orders that allow take effect from a block or a limit: wholly, or from a part of what it would stop. */
import { contains, overlaps, readAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import { audienceCovers } from '../decide/allowance.ts'
import { directionCovers, isNarrow, printNarrowing } from '../decide/measure.ts'
import type { Decision } from '../store/decisions.ts'
import { allowing } from '../store/in-force.ts'
import type { Reader } from '../store/store.ts'

/** Nothing that the order would stop on its target is stopped while this allow is in force. */
export function exempts(allow: Decision, order: Decision): boolean {
  return (
    !isNarrow(allow) &&
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

function say({ id, target, notAfter, actor, note, scope }: Decision, effect: string): string {
  const only = isNarrow({ scope }) ? ` for ${printNarrowing(scope)}` : ''
  const until = printTime(notAfter ?? 0)
  const who = `${actor ?? 'somebody'}: ${note ?? ''}`
  return `${effect} ${target} is allowed${only}, until ${until} (${who}); "cordon decision lift ${id}" ends that`
}

/** Some way and some node are the same. */
function touches(allow: Decision, order: Decision): boolean {
  const [one, other] = [allow.direction ?? 'both', order.direction ?? 'in']
  return (
    (directionCovers(one, other) || directionCovers(other, one)) &&
    (audienceCovers(allow.audience, order.audience) ||
      audienceCovers(order.audience, allow.audience))
  )
}
