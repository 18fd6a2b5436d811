/** Two people for a wide network: the first one's word is kept until another agrees to the same. */
import { readAddress } from '#contract/address.ts'
import { printDuration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Policy } from '../decide/policy.ts'
import { type Approval, findApproval, putApproval } from '../store/approvals.ts'
import type { Decision } from '../store/decisions.ts'
import type { Writer } from '../store/store.ts'
import { tokensInForce } from '../store/tokens.ts'
import { remark, type Who } from './order-line.ts'
import type { Held } from './revise.ts'

export type Terms = { lengthMs: number; audience: readonly string[] }
/** What was said outright; the rest is as the first said, or as the decision has it. */
export type Wished = {
  lengthMs?: number | undefined
  audience?: readonly string[] | undefined
  /** A wide block is for everybody at once, and not for a few first. */
  atOnce?: boolean | undefined
}

/** Whether the policy wants two people for a block of this target. */
export function needsTwo(target: string, { review }: Policy): boolean {
  if (review.secondApprover === undefined) return false
  const { family, prefix } = readAddress(target)
  return prefix < review.secondApprover[family]
}

/** The same of a decision: what is allowed stops nobody. */
export function asksTwo({ measure, target }: Decision, policy: Policy): boolean {
  return measure.action !== 'allow' && target !== null && needsTwo(target, policy)
}

/**
 * The terms to which both agree, or the first one's word, which changes nothing yet. Throws `conflict` for the second
 * word of the same person or for other terms, and `forbidden` for whoever has no token: a link is nobody by name, and a
 * person's account elsewhere may be the same person's as a token.
 */
export async function agree(
  tx: Writer,
  decision: Decision,
  verb: Approval['verb'],
  wished: Wished,
  who: Who,
  now: number,
): Promise<Terms | Held> {
  if (!who.actor.startsWith('token/')) throw nobodyByName(decision, who)
  const first = await findApproval(tx, decision.id)
  if (first?.verb !== verb || !(await isStillTrusted(tx, first, now)))
    return keepFirst(tx, decision, verb, wished, who, now)
  if (first.actor === who.actor) throw sameOne(decision, first)
  const length = wished.lengthMs ?? first.lengthMs
  const audience = wished.audience ?? first.audience
  if (length !== first.lengthMs || audience.join() !== first.audience.join())
    throw otherTerms(decision, first)
  return { lengthMs: first.lengthMs, audience: first.audience }
}

/** The word of a token that was revoked or has ended since counts no more. */
async function isStillTrusted(tx: Writer, { actor }: Approval, now: number): Promise<boolean> {
  const tokens = await tokensInForce(tx, now)
  return tokens.some(({ name }) => actor === `token/${name}`)
}

/** Replaces what somebody may have said to another question about this decision. */
export async function keepFirst(
  tx: Writer,
  decision: Decision,
  verb: Approval['verb'],
  wished: Wished,
  { actor, reason }: Who,
  now: number,
): Promise<Held> {
  const lengthMs = wished.lengthMs ?? decision.lengthMs ?? 0
  const audience = [...(wished.audience ?? decision.audience)]
  const { id } = decision
  await putApproval(tx, { decision: id, verb, actor, reason, lengthMs, audience, created: now })
  const said = { verb, length_ms: lengthMs, audience, waits_for: 'a second person' }
  return { held: remark({ actor, reason }, now, 'decision.second', decision, said) }
}

function sameOne({ id, target }: Decision, first: Approval): Problem {
  const done = first.verb === 'approve' ? 'approved' : 'extended'
  return new Problem('conflict', `${first.actor} has ${done} ${id} already; ${target} needs two`, {
    remedy: `another person says it with a token of their own; "cordon review undo ${id}" takes the first word back`,
  })
}

function otherTerms({ id }: Decision, first: Approval): Problem {
  const length = printDuration(first.lengthMs)
  const said = `${length} on ${first.audience.join(', ')}`
  return new Problem('conflict', `${first.actor} agreed to ${said} for ${id}, not to this`, {
    remedy: `agree to the same, or take the first word back with "cordon review undo ${id}" and begin anew`,
  })
}

function nobodyByName({ id, target }: Decision, { actor }: Who): Problem {
  const why = actor.startsWith('link/') ? 'a link is nobody' : `${actor} has no token here`
  return new Problem('forbidden', `${target} needs two people by name, and ${why}`, {
    remedy: `each with a token of their own: cordon review approve ${id} --reason "..."`,
  })
}
