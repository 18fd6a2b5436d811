/** By the clock: a block near its end goes on while nodes still stop something by it, as far as its rule lets it. */
import { printDuration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Policy, Rule } from '../decide/policy.ts'
import type { Renewal } from '../decide/policy-measure.ts'
import { type Decision, updateDecision } from '../store/decisions.ts'
import { type Hits, hitsOf } from '../store/hits.ts'
import { endingBy } from '../store/in-force.ts'
import type { Writer } from '../store/store.ts'
import type { BlockCount } from './block-count.ts'
import { checkStill, type OrderParts } from './order.ts'
import { type Change, change } from './order-line.ts'
import { type CommitParts, commit } from './revise.ts'
import { isProvisional } from './settle.ts'

/** So long before its end a block is looked at: nodes that were told in time never let go meanwhile. */
const aheadMs = 15_000

/**
 * Blocks in one transaction, so that alerts are never stuck behind many. More are looked at: those that last as long as they
 * may already stay until their end, and must not stand before the others.
 */
const atOnce = 100
const lookedAt = 1_000

/** What is gained by less is not worth an envelope. */
const worthwhileMs = 1_000

export type RenewalParts = CommitParts &
  Pick<OrderParts, 'policy' | 'own' | 'said'> & { blocks: BlockCount }

/** A turn of the clock: returns how many were renewed. */
export function openRenewal(parts: RenewalParts): () => Promise<number> {
  return async () => {
    const policy = parts.policy()
    const rules = new Map(policy.rules.filter(renews).map((rule) => [rule.name, rule]))
    if (rules.size === 0 || policy.mode === 'observe') return 0
    const now = parts.now()
    const longest = Math.max(...[...rules.values()].map(({ terms }) => whileHittingOf(terms)))
    const span = { now, until: now + aheadMs, hitSince: now - longest, limit: lookedAt }
    const ending = await endingBy(parts.store.read, [...rules.keys()], span)
    if (ending.length === 0) return 0
    return commit(parts, async (tx) => {
      await parts.blocks.refresh(tx, now)
      const changes: Change[] = []
      if (atCeiling(parts)) return { result: 0, changes }
      const before = await endingBy(tx, [...rules.keys()], span)
      const hits = await hitsOf(
        tx,
        before.map(({ id }) => id),
      )
      for (const decision of before) {
        if (changes.length === atOnce) break
        const renewal = rules.get(decision.rule ?? '')?.terms?.renew
        const hit = hits.get(decision.id)
        const notAfter = renewal && hit && newEnd(decision, renewal, hit, now)
        if (hit && notAfter !== undefined && mayStill(parts, decision))
          changes.push(await renewed(tx, decision, { notAfter, hit }, now))
      }
      return { result: changes.length, changes }
    })
  }
}

/** A rule on trial blocks nothing, and prolongs nothing either. */
function renews({ terms, observe }: Rule): boolean {
  return terms?.renew !== undefined && !observe
}

function whileHittingOf(terms: Rule['terms']): number {
  return terms?.renew?.whileHittingMs ?? 0
}

/** Undefined when nobody came lately, or when it has lasted as long as it may. */
function newEnd(
  decision: Decision,
  { whileHittingMs, atMostMs }: Renewal,
  { last }: Hits,
  now: number,
): number | undefined {
  const { issued, lengthMs, notAfter, origin, reasons } = decision
  if (origin !== 'policy' || isProvisional(reasons) || now - last >= whileHittingMs)
    return undefined
  const end = Math.min(now + (lengthMs ?? 0), (issued ?? now) + atMostMs)
  return end - (notAfter ?? 0) >= worthwhileMs ? end : undefined
}

/** At a ceiling of how many blocks there may be nothing is prolonged. */
function atCeiling({ policy, blocks }: { policy(): Policy; blocks: BlockCount }): boolean {
  return blocks.now().blocksInForce >= policy().ceilings.blocks_in_force
}

function mayStill(parts: RenewalParts, decision: Decision): boolean {
  try {
    checkStill(parts, decision)
    return true
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}

/** Nobody has decided on it: it stays the policy's. */
async function renewed(
  tx: Writer,
  before: Decision,
  { notAfter, hit }: { notAfter: number; hit: Hits },
  now: number,
): Promise<Change> {
  await updateDecision(tx, before.id, { notAfter })
  const ago = printDuration(Math.max(0, now - hit.last))
  const reason = `still hit: ${hit.packets} packets, the last ${ago} ago`
  const who = { actor: 'policy', reason }
  return change(who, now, 'decision.extend', before, { ...before, notAfter })
}
