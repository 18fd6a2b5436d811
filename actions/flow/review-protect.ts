/** Never again: the target is sheltered for every later judgement, what blocks it is lifted, and the policy gets a proposal. */
import { overlaps, readAddress } from '#contract/address.ts'
import { toProblem } from '#contract/problem.ts'
import type { Decision } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import { listProposals, type Proposal } from '../store/proposals.ts'
import { listQuestions } from '../store/review.ts'
import { putSheltered } from '../store/said.ts'
import type { Writer } from '../store/store.ts'
import { decisionsOn } from './decisions-on.ts'
import { declined, lifted } from './order.ts'
import { isInForce, stops, type Who } from './order-line.ts'
import { type PolicyInForce, propose } from './propose.ts'
import { newId, type ReviewParts } from './review.ts'
import { mustTarget } from './review-ignore.ts'
import { applyOrRemark, commit, type Fields, mustFind } from './revise.ts'

export type Protected = {
  decision: Decision
  address: string
  /** Blocks on it, within it and around it. */
  lifted: Decision[]
  /** Questions about it, which are answered by it. */
  declined: Decision[]
  proposal: Proposal | undefined
  /** Why there is no proposal. */
  problem: string | undefined
}

/**
 * In two steps, so that no alert can slip in between: first the word is on the disk and holds for every judgement, then
 * whatever was judged before it is lifted. When the second step fails, saying it again does it.
 */
export async function protect(
  parts: ReviewParts,
  policy: PolicyInForce,
  id: string,
  who: Who,
): Promise<Protected> {
  const { address, created } = await shelter(parts, id, who)
  await parts.said.refresh(parts.store.read, parts.now())
  return commit(parts, async (tx) => {
    const now = parts.now()
    const decision = await mustFind(tx, id)
    const { proposal, entry, problem } = await proposeProtect(tx, parts, policy, decision, who)
    const more = { sheltered: address, created, ...(proposal && { proposal: proposal.id }) }
    const action = 'decision.protect'
    const end = endOf(decision, now)
    const own = await applyOrRemark(tx, decision, end, who, action, now, more)
    const changes = [...(entry ? [{ entry, orders: [] }] : []), own.changed]
    const others = (await touching(tx, address, now)).filter((other) => other.id !== id)
    const after = [own.after]
    for (const other of others) {
      const action = isInForce(other) ? 'decision.lift' : 'decision.decline'
      const end = endOf(other, now)
      const why = { protected: address }
      const done = await applyOrRemark(tx, other, end, who, action, now, why)
      changes.push(done.changed)
      after.push(done.after)
    }
    const touched = [decision, ...others]
    const result = {
      decision: own.after,
      address,
      lifted: after.filter((_, at) => touched[at] && isInForce(touched[at])),
      declined: after.filter((_, at) => touched[at]?.state === 'waiting'),
      proposal,
      problem,
    }
    return { result, changes }
  })
}

function shelter(parts: ReviewParts, id: string, { actor, reason }: Who) {
  return parts.store.write(async (tx) => {
    const now = parts.now()
    const address = mustTarget(await mustFind(tx, id))
    await putSheltered(tx, { address, why: reason, actor, created: now })
    const after = { decision: id, reason }
    await appendJournal(tx, [{ at: now, actor, action: 'protect.add', subject: address, after }])
    return { address, created: now }
  })
}

/** A policy that cannot be changed by itself, or that says it already, is no reason not to protect. */
async function proposeProtect(
  tx: Writer,
  parts: ReviewParts,
  policy: PolicyInForce,
  decision: Decision,
  who: Who,
) {
  const address = mustTarget(decision)
  const made = { id: newId(parts, 'p'), now: parts.now() }
  const known = (await listProposals(tx)).find(
    (one) => one.kind === 'protect' && one.decision === decision.id,
  )
  if (known) return { proposal: known, entry: undefined, problem: undefined }
  try {
    const done = await propose(tx, policy, decision, { kind: 'protect', address }, who, made)
    return { ...done, problem: undefined }
  } catch (error) {
    const problem = toProblem(error)
    if (problem.code !== 'conflict' && problem.code !== 'policy_invalid') throw problem
    return { proposal: undefined, entry: undefined, problem: problem.message }
  }
}

/** How it ends by being protected; undefined for what is over. */
function endOf(decision: Decision, now: number): Fields | undefined {
  if (isInForce(decision)) return lifted(now)
  return decision.state === 'waiting' ? declined(now) : undefined
}

/** What shares any host with the address: in force, or waiting. */
async function touching(tx: Writer, address: string, now: number): Promise<Decision[]> {
  const read = readAddress(address)
  const { within, covering } = await decisionsOn(tx, read, now)
  const asked = []
  for (const { id, target } of await listQuestions(tx))
    if (target !== '' && overlaps(readAddress(target), read)) asked.push(await mustFind(tx, id))
  return [...[...within, ...covering].filter(stops), ...asked]
}
