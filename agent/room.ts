/** What of a whole state there is room for on this node, beside the other audiences: they share the kernel's sets. */
import { readAddress } from '#contract/address.ts'
import type { AcceptOn, Gathered } from './accept.ts'
import { type Place, refused } from './differences.ts'
import { type InForce, tooMany } from './guard.ts'
import { isRareText } from './kernel/sets.ts'
import type { Claim, Wished } from './wished.ts'

/**
 * The rare networks of the audience that its new state does not hold as they are: they make room for those that it
 * does, and old and new are never there together.
 */
export function releaseRare(on: AcceptOn, audience: string, claims: readonly Claim[]): void {
  const held = [...on.wished.audience(audience)].filter(({ target }) => isRareText(target))
  if (held.length === 0) return
  const coming = new Map(claims.map((claim) => [claim.decision, claim]))
  for (const { decision, target, direction } of held) {
    const next = coming.get(decision)
    if (next?.target !== target || next.direction !== direction)
      on.wished.remove(audience, decision, on.differences.note)
  }
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
    const rare = isRareText(claim.target) ? readAddress(claim.target) : undefined
    const inForce: InForce = {
      claims: others + fitting.claims.length,
      rare: rare ? wished.rareWith(rare, claim.direction) : 0,
    }
    const problem = tooMany(inForce, ceilings)
    if (problem) {
      fitting.answers.push(refused({ ...place, decision: claim.decision }, problem))
      continue
    }
    fitting.claims.push(claim)
    if (rare) wished.add(claim, rare, on.differences.note)
  }
  return fitting
}

function heldFirst(wished: Wished, claims: readonly Claim[]): Claim[] {
  const held = (claim: Claim) => wished.get(claim.audience, claim.decision) !== undefined
  return [...claims.filter(held), ...claims.filter((claim) => !held(claim))]
}
