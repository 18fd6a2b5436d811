/** One transaction: repeats dropped, facts gathered, each alert judged and settled, all stored, signed, journalled. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { decide } from '../decide/decide.ts'
import type { Facts } from '../decide/facts.ts'
import type { Policy } from '../decide/policy.ts'
import type { Reason, Verdict } from '../decide/verdict.ts'
import { decisionIdFrom } from '../store/decisions.ts'
import { listNodes } from '../store/nodes.ts'
import type { Envelope } from '../store/outbox.ts'
import { dropPending, type Pending } from '../store/pending.ts'
import type { Store, Writer } from '../store/store.ts'
import { addSettlement, openChanges, storeChanges } from './batch-changes.ts'
import { type GatherParts, type Given, gather } from './enrich.ts'
import type { Hub } from './hub.ts'
import type { SigningKeys } from './keys.ts'
import type { Recorded } from './record.ts'
import { answers, readKnown, toPending, toRecorded, unseen } from './repeats.ts'
import { type Settlement, settle } from './settle.ts'
import { isStaged, stage } from './stage.ts'

export type JudgeParts = GatherParts & {
  store: Store
  keys: SigningKeys
  hub: Hub
  now(): number
}

export type Judged = {
  recorded: Recorded[]
  envelopes: Envelope[]
  blocks: number
  /** Whom providers are to be asked about, once all this is on the disk. */
  pending: Pending[]
}

/** `given` is what providers said of alerts that were pending. */
export async function judgeBatch(
  tx: Writer,
  parts: JudgeParts,
  alerts: readonly Alert[],
  given: Given,
): Promise<Judged> {
  const now = parts.now()
  const policy = parts.policy()
  const recorded = await readKnown(tx, alerts, given)
  const fresh = unseen(alerts, recorded)
  await parts.blocks.refresh(tx, now)
  const facts = await gather(tx, fresh, parts, given, now)
  const changes = openChanges()
  for (const alert of fresh) {
    const known = facts.factsOf(alert)
    const verdict = decide({ alert, facts: known, policy, now })
    if (verdict.ask) {
      const pending = {
        alert,
        decision: decisionIdFrom(`alert:${alert.id}`),
        // Whoever was asked for an earlier rule too: that rule is judged again.
        providers: [...Object.keys(known.outside.intelligence), ...verdict.ask],
      }
      changes.pending.push(pending)
      recorded.set(alert.id, toPending(alert, pending.decision, 'stored'))
      continue
    }
    const standing = facts.standingOn(verdict.order?.target ?? '')
    const offender = facts.offenderOf(alert)
    const settled = settle(alert, verdict, offender, standing, now)
    const settlement = await onFewFirst(tx, settled, policy, now)
    const decision = addSettlement(changes, alert, settlement, now)
    changes.alerts.push({ alert, decision: decision.id, offender, facts: keepFacts(known) })
    const question = toConfirm(alert, verdict, settlement, policy)
    if (question) changes.pending.push(question)
    facts.remember(alert, decision)
    recorded.set(alert.id, toRecorded(alert, decision, 'stored'))
  }
  // Of a repeat the row may be the question whether its block is confirmed.
  await dropPending(
    tx,
    fresh.map(({ id }) => id).filter((id) => given.has(id)),
  )
  const envelopes = await storeChanges(tx, parts.keys, changes, now)
  return {
    recorded: answers(alerts, fresh, recorded),
    envelopes,
    blocks: facts.blocksMade(),
    pending: changes.pending,
  }
}

/** A new block that is wide is for a few nodes first; where none of those is well, a person is asked. */
async function onFewFirst(
  tx: Writer,
  settlement: Settlement,
  policy: Policy,
  now: number,
): Promise<Settlement> {
  const { kind, decision } = settlement
  if (kind !== 'new' || decision.state !== 'issued' || !isStaged(decision, policy))
    return settlement
  const staged = stage(decision, policy, await listNodes(tx), now)
  if (!(staged instanceof Problem)) return { kind, decision: { ...decision, ...staged } }
  const reasons: Reason[] = [
    ...decision.reasons,
    { code: 'rollout_halted', problem: staged.message },
  ]
  const question = { ...decision, state: 'waiting', issued: null, notAfter: null, reasons } as const
  return { kind, decision: question }
}

/** A new block for a short time is a question too. */
function toConfirm(
  alert: Alert,
  { provisional, rule }: Verdict,
  settlement: Settlement,
  policy: Policy,
): Pending | undefined {
  if (settlement.kind !== 'new' || !provisional || rule === null) return undefined
  if (settlement.decision.state !== 'issued') return undefined
  const confirm = policy.rules.find(({ name }) => name === rule)?.terms?.provisional?.confirm
  if (!confirm) return undefined
  const { lengthMs } = provisional
  const { decision } = settlement
  return {
    alert,
    decision: decision.id,
    providers: confirm.providers,
    provisional: { rule, lengthMs },
  }
}

/** What was known from outside, for whoever replays the alert later; nothing when there is no source. */
function keepFacts({ outside }: Facts): string | null {
  const { place, lists, ready, intelligence } = outside
  if (ready.length === 0 && Object.keys(intelligence).length === 0) return null
  return JSON.stringify({ place, lists, ready, intelligence })
}
