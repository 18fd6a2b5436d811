/** Takes back the last thing that was done to a decision, when nothing else happened to it since. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { dropApproval } from '../store/approvals.ts'
import { type Decision, updateDecision } from '../store/decisions.ts'
import type { JournalEntry, JournalLine } from '../store/journal.ts'
import { findProposal } from '../store/proposals.ts'
import { newestStep } from '../store/review.ts'
import { dropSheltered, findIgnored, findSheltered } from '../store/said.ts'
import type { Writer } from '../store/store.ts'
import { checkStill, declined, lifted } from './order.ts'
import { isInForce, remark, type Who } from './order-line.ts'
import { withdraw } from './propose.ts'
import type { ReviewParts } from './review.ts'
import { takeBack } from './review-ignore.ts'
import { asksTwo } from './review-second.ts'
import { apply, commit, type Fields, mustFind } from './revise.ts'

export type Undone = {
  decision: Decision
  /** What was undone, as the journal calls it, and who had done it. */
  undone: string
  by: string
}

/** What a line of the journal says of a decision before it, and what else was said with it. */
const Past = z.looseObject({
  state: z.enum(['waiting', 'issued', 'applied']),
  audience: z.array(z.string()),
  length_ms: z.number().nullable(),
  issued: z.number().nullable(),
  not_after: z.number().nullable(),
})
const Beside = z.looseObject({
  ignored: z.string().optional(),
  sheltered: z.string().optional(),
  created: z.number().optional(),
  proposal: z.string().optional(),
})

export function undo(parts: ReviewParts, id: string, who: Who): Promise<Undone> {
  return commit(parts, async (tx) => {
    const now = parts.now()
    const before = await mustFind(tx, id)
    const line = await newestStep(tx, id)
    if (!line) throw nothing(before, undefined)
    const fields = fieldsOf(parts, before, line, now)
    const entries = await takeBackBeside(tx, line, who, now)
    const more = { undone: line.action, by: line.actor }
    const beside = entries.map((entry) => ({ entry, orders: [] }))
    const result = { decision: before, undone: line.action, by: line.actor }
    if (!fields) {
      if (line.action === 'decision.second') await dropApproval(tx, id)
      return { result, changes: [...beside, remark(who, now, 'decision.undo', before, more)] }
    }
    const { after, changed } = await apply(tx, before, fields, who, 'decision.undo', now, more)
    // A question is nobody's answer.
    const nobody = after.state === 'waiting' ? { actor: null, note: null } : {}
    await updateDecision(tx, id, { ...fields, ...nobody })
    return {
      result: { ...result, decision: { ...after, ...nobody } },
      changes: [...beside, changed],
    }
  })
}

/** How the decision becomes what it was; undefined when it stayed as it was. Throws `conflict`. */
function fieldsOf(
  parts: ReviewParts,
  decision: Decision,
  line: JournalLine,
  now: number,
): Fields | undefined {
  const manual = decision.origin === 'manual'
  if (line.action === 'decision.second')
    return manual && decision.state === 'waiting' ? declined(now) : undefined
  if (line.action === 'decision.always') return undefined
  if (line.action === 'decision.issue' && manual) return lifted(now)
  if (!undoable.includes(line.action)) throw nothing(decision, line)
  if (line.before === null) return undefined
  const past = Past.safeParse(JSON.parse(line.before))
  if (!past.success) throw nothing(decision, line)
  if (past.data.state === 'waiting') return toWaiting(parts, decision, past.data, now)
  return toForce(parts, decision, past.data, line, now)
}

const undoable = [
  'decision.approve',
  'decision.decline',
  'decision.extend',
  'decision.lift',
  'decision.ignore',
  'decision.protect',
  'decision.timeout_block',
  'decision.timeout_decline',
]

/** A question whose time is over cannot wait again: its block is lifted all the same. */
function toWaiting(
  { policy }: ReviewParts,
  decision: Decision,
  past: z.infer<typeof Past>,
  now: number,
): Fields {
  const over = now >= decision.created + policy().review.timeoutMs
  if (over && isInForce(decision)) return lifted(now)
  if (over) throw tooLate(decision, 'its time to wait is over')
  return {
    state: 'waiting',
    audience: past.audience,
    ...(past.length_ms !== null && { lengthMs: past.length_ms }),
    issued: null,
    notAfter: null,
    ended: null,
    endReason: null,
    rollout: null,
  }
}

/** A block as it was: after a lift it holds again, after an extension no longer than before. */
function toForce(
  parts: ReviewParts,
  decision: Decision,
  past: z.infer<typeof Past>,
  { action }: JournalLine,
  now: number,
): Fields | undefined {
  // What people protect is not blocked again: only the protection is taken back.
  if (action === 'decision.protect') return undefined
  if (past.not_after === null || past.not_after <= now)
    throw tooLate(decision, 'its time is over by now')
  if (isInForce(decision)) return { notAfter: past.not_after }
  checkStill(parts, decision)
  if (asksTwo(decision, parts.policy()))
    throw tooLate(decision, 'a block of this target needs two people')
  return { state: 'issued', notAfter: past.not_after, ended: null, endReason: null }
}

/** What was said with it: somebody to ignore, a network to protect, a proposal. What is gone by now is no hindrance. */
async function takeBackBeside(
  tx: Writer,
  line: JournalLine,
  who: Who,
  now: number,
): Promise<JournalEntry[]> {
  const beside = Beside.parse(line.after === null ? {} : JSON.parse(line.after))
  const entries: JournalEntry[] = []
  if (beside.ignored !== undefined) {
    const found = await findIgnored(tx, beside.ignored)
    if (found && found.until > now)
      entries.push((await takeBack(tx, beside.ignored, who, now)).entry)
  }
  if (beside.sheltered !== undefined) {
    const found = await findSheltered(tx, beside.sheltered)
    if (found && found.created !== beside.created)
      throw new Problem('conflict', `${found.actor} said to protect ${found.address} again since`, {
        remedy: `"cordon sheltered end ${found.address}" takes it back for all`,
      })
    if (found) {
      await dropSheltered(tx, found.address)
      const { address: subject } = found
      const after = { reason: who.reason }
      entries.push({ at: now, actor: who.actor, action: 'protect.end', subject, after })
    }
  }
  if (beside.proposal !== undefined && (await findProposal(tx, beside.proposal)))
    entries.push((await withdraw(tx, beside.proposal, who, now)).entry)
  return entries
}

function nothing({ id }: Decision, line: JournalLine | undefined): Problem {
  const last = line ? `the last that happened to it is ${line.action} by ${line.actor}` : ''
  return new Problem('conflict', `there is nothing to undo at ${id}${last && `: ${last}`}`, {
    remedy: `"cordon decision show ${id}" shows all that happened; only the last step of a person is undone`,
  })
}

function tooLate({ id, target }: Decision, why: string): Problem {
  return new Problem('conflict', `cannot undo this of ${id}: ${why}`, {
    remedy: `order it anew: cordon block ${target} --for 1h --reason "..."`,
  })
}
