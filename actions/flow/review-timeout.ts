/** By the clock: what nobody answered in time is declined, or blocked where the policy says so and all still allows it. */
import { readAddress } from '#contract/address.ts'
import { printDuration } from '#contract/duration.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { explainReason } from '../decide/explain.ts'
import type { Facts } from '../decide/facts.ts'
import { limitsOn } from '../decide/limits.ts'
import { nothingOutside } from '../decide/outside.ts'
import { alertsOf } from '../store/alerts.ts'
import type { Decision } from '../store/decisions.ts'
import { causeOf, questionsUntil } from '../store/review.ts'
import type { Writer } from '../store/store.ts'
import { checkStill, declined, issued, shields } from './order.ts'
import type { Change, Who } from './order-line.ts'
import type { ReviewParts } from './review.ts'
import { needsTwo } from './review-second.ts'
import { apply, commit, type Fields, mustFind } from './revise.ts'
import { onFew } from './stage.ts'

/** Questions in one transaction, so that alerts are never stuck behind many. */
const atOnce = 25

const minuteMs = 60_000

/** A turn of the clock: returns how many were answered. Where this minute has had its blocks, the rest waits for the next. */
export function openTimeOut(parts: ReviewParts): () => Promise<number> {
  /** When the clock blocked: the count of blocks leaves out what was asked about earlier. */
  let recent: number[] = []
  return async () => {
    const until = parts.now() - parts.policy().review.timeoutMs
    const due = await questionsUntil(parts.store.read, until, atOnce)
    if (due.length === 0) return 0
    const { answered, blocked } = await commit(parts, async (tx) => {
      const now = parts.now()
      recent = recent.filter((at) => at > now - minuteMs && at <= now)
      await parts.blocks.refresh(tx, now)
      const changes: Change[] = []
      const blocked: number[] = []
      for (const id of due) {
        const decision = await mustFind(tx, id)
        if (decision.state !== 'waiting') continue
        const made = { total: blocked.length, recent: blocked.length + recent.length }
        const answer = await answerOf(tx, parts, decision, made, now)
        // What comes behind it waits too: nothing is lost by it, and nobody looks at a long queue each second.
        if (answer === 'later') break
        const { changed } = await apply(tx, decision, ...answer, now)
        if (answer[0].state === 'issued') blocked.push(now)
        changes.push(changed)
      }
      return { result: { answered: changes.length, blocked }, changes }
    })
    recent.push(...blocked)
    parts.blocks.add(blocked.length)
    return answered
  }
}

/** Blocks that the clock has made: in this transaction, and in this minute. */
type Made = { total: number; recent: number }
type Told = [fields: Fields, who: Who, action: string]

async function answerOf(
  tx: Writer,
  parts: ReviewParts,
  decision: Decision,
  made: Made,
  now: number,
): Promise<Told | 'later'> {
  const { review } = parts.policy()
  const reason = `nobody answered within ${printDuration(review.timeoutMs)}`
  const decline = (why: string): Told => {
    const who = { actor: 'clock', reason: why === '' ? reason : `${reason}, and ${why}` }
    return [declined(now), who, 'decision.timeout_decline']
  }
  if (review.atTimeout === 'decline') return decline('')
  const why = await against(tx, parts, decision, now)
  if (why !== undefined) return decline(why)
  const limits = limitsOn(readAddress(decision.target ?? ''), {
    policy: parts.policy(),
    facts: factsOf(parts, made),
  })
  const lasting = limits.find((limit) => !isPassing(limit))
  if (lasting) return decline(explainReason(lasting))
  if (limits.length > 0) return 'later'
  const who = { actor: 'clock', reason }
  const fields = issued(decision.lengthMs ?? 0, decision.audience, now)
  const few = await fewOf(tx, parts.policy(), decision, fields, now)
  if (few instanceof Problem) return decline(few.message)
  return [{ ...fields, ...few }, who, 'decision.timeout_block']
}

async function fewOf(...given: Parameters<typeof onFew>): Promise<Fields | Problem> {
  try {
    return await onFew(...given)
  } catch (error) {
    if (error instanceof Problem && error.code === 'conflict') return error
    throw error
  }
}

/** The ceiling of this minute is none of the next. */
function isPassing(limit: ReturnType<typeof limitsOn>[number]): boolean {
  return limit.code === 'ceiling' && limit.ceiling === 'blocks_per_minute'
}

/** Why a block may not be made of it without a person; undefined when it may. */
async function against(
  tx: Writer,
  parts: ReviewParts,
  decision: Decision,
  now: number,
): Promise<string | undefined> {
  const policy = parts.policy()
  if (policy.mode === 'observe') return 'the whole policy is on trial'
  if (decision.origin === 'manual') return 'it needs a second person'
  try {
    if (needsTwo(checkStill(parts, decision), policy)) return 'it needs two people'
  } catch (error) {
    return toProblem(error).message
  }
  const halted = decision.reasons.find(({ code }) => code === 'rollout_halted')
  if (halted) return explainReason(halted)
  const veto = decision.reasons.find(({ code }) => code === 'vetoed')
  if (veto) return explainReason(veto)
  const alerts = await alertsOf(tx, await causeOf(tx, decision), 50)
  const ignored = alerts.map((alert) => parts.said.ignored(alert, now)).find(Boolean)
  return ignored && `${ignored.actor} said to ignore it: ${ignored.reason}`
}

/** What the ceilings look at; nothing else of an alert counts here. */
function factsOf(parts: ReviewParts, made: Made): Facts {
  const { blocksInForce, blocksLastMinute } = parts.blocks.now()
  return {
    ...shields(parts),
    history: [],
    offences: 0,
    blocksInForce: blocksInForce + made.total,
    blocksLastMinute: blocksLastMinute + made.recent,
    outside: nothingOutside,
  }
}
