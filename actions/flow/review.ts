/** What a person may say to a question besides yes and no; and that it is taken back. */
import { printDuration } from '#contract/duration.ts'
import { base32 } from '#contract/id.ts'
import { Problem } from '#contract/problem.ts'
import type { Outcome } from '../decide/verdict.ts'
import type { Decision } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import type { Proposal } from '../store/proposals.ts'
import { dropSheltered, type Ignored } from '../store/said.ts'
import type { BlockCount } from './block-count.ts'
import type { OrderParts } from './order.ts'
import { remark, type Who } from './order-line.ts'
import { type PolicyInForce, propose, withdraw } from './propose.ts'
import { causeAlert, endIgnored, type Ignoring, ignore } from './review-ignore.ts'
import { type Protected, protect } from './review-protect.ts'
import { openTimeOut } from './review-timeout.ts'
import { type Undone, undo } from './review-undo.ts'
import { commit, mustFind } from './revise.ts'
import type { Randomness } from './secret.ts'

export type ReviewParts = Omit<OrderParts, 'newId'> & {
  blocks: BlockCount
  random: Randomness
  text(): string
}

export type Always = { kind: 'rule' } | { kind: 'signature'; verdict: Outcome }

export type Review = {
  /** For a time nothing is made of alerts like this; a question that waits is declined with it. */
  ignore(
    id: string,
    ignoring: Ignoring,
    who: Who,
  ): Promise<{ decision: Decision; ignored: Ignored }>
  endIgnored(id: string, who: Who): Promise<Ignored>
  /** Never block this target again: at once, and by a proposal for the policy. */
  protect(id: string, who: Who): Promise<Protected>
  unprotect(address: string, who: Who): Promise<void>
  /** A proposal for the policy; the question itself still waits. */
  always(id: string, always: Always, who: Who): Promise<{ decision: Decision; proposal: Proposal }>
  withdraw(proposal: string, who: Who): Promise<Proposal>
  undo(id: string, who: Who): Promise<Undone>
  /** By the clock: answers for those who did not. Returns how many questions. */
  timeOut(): Promise<number>
}

export function openReview(parts: ReviewParts): Review {
  const { store, now, said } = parts
  const policy: PolicyInForce = { current: parts.policy, text: parts.text }
  /** Every word changes what the next alert is judged by. */
  const saying = async <Result>(say: () => Promise<Result>): Promise<Result> => {
    const result = await say()
    await said.refresh(store.read, now())
    return result
  }
  return {
    ignore: (id, ignoring, who) => saying(() => ignore(parts, id, ignoring, who)),
    endIgnored: (id, who) => saying(() => endIgnored(parts, id, who)),
    protect: (id, who) => protect(parts, policy, id, who),
    unprotect: (address, who) => saying(() => unprotect(parts, address, who)),
    always: (id, always, who) =>
      commit(parts, async (tx) => {
        const decision = await mustFind(tx, id)
        const wanted =
          always.kind === 'rule' ? always : { ...always, alert: await causeAlert(tx, decision) }
        const made = { id: newId(parts, 'p'), now: now() }
        const { proposal, entry } = await propose(tx, policy, decision, wanted, who, made)
        const more = { proposal: proposal.id, summary: proposal.summary }
        const line = remark(who, now(), 'decision.always', decision, more)
        return { result: { decision, proposal }, changes: [{ entry, orders: [] }, line] }
      }),
    withdraw: (id, who) =>
      commit(parts, async (tx) => {
        const { proposal, entry } = await withdraw(tx, id, who, now())
        return { result: proposal, changes: [{ entry, orders: [] }] }
      }),
    undo: (id, who) => saying(() => undo(parts, id, who)),
    timeOut: openTimeOut(parts),
  }
}

async function unprotect({ store, now }: ReviewParts, address: string, who: Who): Promise<void> {
  await store.write(async (tx) => {
    if (!(await dropSheltered(tx, address)))
      throw new Problem('not_found', `nobody said to protect ${address}`, {
        remedy:
          '"cordon sheltered list" shows what people protected; the rest stands in protect in the policy',
      })
    const after = { reason: who.reason }
    const line = { at: now(), actor: who.actor, action: 'protect.end', subject: address, after }
    await appendJournal(tx, [line])
  })
}

export function newId({ random }: Pick<ReviewParts, 'random'>, letter: 'i' | 'p'): string {
  return `${letter}-${base32(random(10))}`
}

const longestMs = 366 * 24 * 3_600_000

/** Throws `invalid_input`: nothing is ignored for ever. */
export function checkSpan(lengthMs: number): number {
  if (lengthMs > 0 && lengthMs <= longestMs) return lengthMs
  const length = printDuration(lengthMs)
  const message = lengthMs > 0 ? `${length} is too long` : 'to ignore needs a length'
  throw new Problem('invalid_input', message, {
    remedy:
      'give a length such as "for": "7d", at most 366d; what is for good belongs in the policy',
  })
}
