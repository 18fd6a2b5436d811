/** What people allow for a time: a block that it takes all effect from is not made. */
import { type Address, contains, maybeAddress } from '#contract/address.ts'
import type { Allowance, Facts } from './facts.ts'
import { directionCovers } from './measure.ts'
import type { Order, Reason } from './verdict.ts'

/** Undefined where some of what the order would stop, somewhere, is not allowed. */
export function allowanceOf(
  target: Address,
  order: { readonly audience: readonly string[]; readonly direction: Order['direction'] },
  { allowed = [] }: Pick<Facts, 'allowed'>,
): Extract<Reason, { code: 'allowed' }> | undefined {
  const found = allowed.find(
    (allowance) =>
      holds(allowance, target) &&
      directionCovers(allowance.direction, order.direction) &&
      audienceCovers(allowance.audience, order.audience),
  )
  if (!found) return undefined
  const { target: wide, actor: by, reason: why, until } = found
  return { code: 'allowed', target: wide, by, why, until }
}

function holds({ target }: Allowance, address: Address): boolean {
  const wide = maybeAddress(target)
  return wide !== undefined && contains(wide, address)
}

/** By name: which nodes are in which group is nobody's to know here. */
export function audienceCovers(wide: readonly string[], narrow: readonly string[]): boolean {
  return wide.includes('all') || narrow.every((name) => wide.includes(name))
}
