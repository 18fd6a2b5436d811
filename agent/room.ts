/** What of a whole state there is room for on this node, beside the other audiences: they share the kernel's sets. */
import { isDeepStrictEqual } from 'node:util'
import { readAddress } from '#contract/address.ts'
import type { AcceptOn, Gathered } from './accept.ts'
import { type Place, refused } from './differences.ts'
import { type InForce, tooMany } from './guard.ts'
import { isRareText } from './kernel/sets.ts'
import type { Claim, Wished } from './wished.ts'

/** Rare networks, and orders that are more than a plain block: of both the kernel takes few. */
export function isScarce({ target, scoped }: Claim): boolean {
  return scoped !== undefined || isRareText(target)
}

/**
 * What is scarce of the audience and not in its new state as it is: it makes room for what is there, and old and new
 * are never there together.
 */
export function releaseScarce(on: AcceptOn, audience: string, claims: readonly Claim[]): void {
  const held = [...on.wished.audience(audience)].filter(isScarce)
  if (held.length === 0) return
  const coming = new Map(claims.map((claim) => [claim.decision, claim]))
  for (const claim of held) {
    const next = coming.get(claim.decision)
    if (!next || !isSame(next, claim))
      on.wished.remove(audience, claim.decision, on.differences.note)
  }
}

/** But for the end. */
function isSame(one: Claim, other: Claim): boolean {
  return (
    one.target === other.target &&
    one.direction === other.direction &&
    isDeepStrictEqual(one.scoped, other.scoped)
  )
}

/**
 * Of a whole state what there is room for beside the other audiences, and a refusal for each of the rest. What is in
 * force already comes first.
 */
export function fit(on: AcceptOn, place: Place, claims: readonly Claim[]): Gathered {
  const { wished, ceilings } = on
  const others = wished.size - wished.sizeOf(place.audience)
  const scarce = others + claims.length > ceilings.max_blocks
  const fitting: Gathered = { claims: [], answers: [] }
  for (const claim of scarce ? heldFirst(wished, claims) : claims) {
    const target = isScarce(claim) ? readAddress(claim.target) : undefined
    // Its older self must not stand in its own way.
    if (claim.scoped) wished.remove(claim.audience, claim.decision, on.differences.note)
    const inForce: InForce = {
      claims: others + fitting.claims.length,
      rare: target ? wished.rareWith(claim, target) : 0,
      scoped: target && wished.scopedWith(claim, target),
    }
    const problem = tooMany(inForce, ceilings)
    if (problem) {
      fitting.answers.push(refused({ ...place, decision: claim.decision }, problem))
      continue
    }
    fitting.claims.push(claim)
    if (target) wished.add(claim, target, on.differences.note)
  }
  return fitting
}

function heldFirst(wished: Wished, claims: readonly Claim[]): Claim[] {
  const held = (claim: Claim) => wished.has(claim.audience, claim.decision)
  return [...claims.filter(held), ...claims.filter((claim) => !held(claim))]
}
