/** One transaction: repeats dropped, facts gathered, each alert judged and settled, all stored, signed, journalled. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { decide } from '../decide/decide.ts'
import type { Facts } from '../decide/facts.ts'
import type { Policy } from '../decide/policy.ts'
import type { Reason, Verdict } from '../decide/verdict.ts'
import { insertAlerts, knownAlerts, type NewAlert } from '../store/alerts.ts'
import {
  type Decision,
  decisionIdFrom,
  decisionsById,
  insertDecisions,
  updateEvidence,
  updateReasons,
} from '../store/decisions.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import { listNodes } from '../store/nodes.ts'
import type { Envelope } from '../store/outbox.ts'
import { dropPending, type Pending, pendingAmong, putPending } from '../store/pending.ts'
import type { Store, Writer } from '../store/store.ts'
import { type GatherParts, type Given, gather } from './enrich.ts'
import type { Hub } from './hub.ts'
import { issue, toOrder } from './issue.ts'
import type { SigningKeys } from './keys.ts'
import { measured } from './order-line.ts'
import type { Recorded } from './record.ts'
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
  const recorded = await readRepeats(tx, alerts)
  await readPending(tx, alerts, given, recorded)
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
  const envelopes = await store(tx, parts.keys, changes, now)
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

/** What one batch adds to the store, gathered so that each table is written once. */
type Changes = {
  alerts: NewAlert[]
  /** Decisions of this batch, as they stand at its end. */
  made: Map<string, Decision>
  /** Decisions of earlier batches that gained evidence or time. */
  changed: Map<string, Decision>
  /** Questions among them that a provider objects to since. */
  vetoed: Set<string>
  /** Decisions, of either kind, that the nodes have to hear of. */
  orders: Set<string>
  journal: JournalEntry[]
  pending: Pending[]
}

function openChanges(): Changes {
  return {
    alerts: [],
    made: new Map(),
    changed: new Map(),
    vetoed: new Set(),
    orders: new Set(),
    journal: [],
    pending: [],
  }
}

/** Returns the decision as it stands after this alert. */
function addSettlement(
  changes: Changes,
  alert: Alert,
  settlement: Settlement,
  now: number,
): Decision {
  const decision = settlement.kind === 'new' ? settlement.decision : withEvidence(settlement)
  const table =
    settlement.kind === 'new' || changes.made.has(decision.id) ? changes.made : changes.changed
  table.set(decision.id, decision)
  if (settlement.kind === 'evidence' && settlement.vetoes) changes.vetoed.add(decision.id)
  const entry = journalEntry(alert, settlement, decision, now)
  if (entry) changes.journal.push(entry)
  if (entry && decision.state !== 'waiting') changes.orders.add(decision.id)
  return decision
}

function withEvidence({ decision, ...more }: Extract<Settlement, { kind: 'evidence' }>): Decision {
  return {
    ...decision,
    alerts: decision.alerts + 1,
    notAfter: more.notAfter ?? decision.notAfter,
    reasons: [...decision.reasons, ...(more.vetoes ?? [])],
  }
}

/** Undefined when nothing changed that a person or a node needs to hear of. */
function journalEntry(
  alert: Alert,
  settlement: Settlement,
  decision: Decision,
  now: number,
): JournalEntry | undefined {
  const prolonged = settlement.kind === 'evidence' && settlement.notAfter !== undefined
  if (decision.state === 'noted' || (settlement.kind === 'evidence' && !prolonged)) return undefined
  const { rule, target, audience, direction, notAfter, reasons } = decision
  const codes = reasons.map((reason) => reason.code)
  return {
    at: now,
    actor: 'policy',
    action: prolonged
      ? 'decision.prolong'
      : decision.state === 'waiting'
        ? 'decision.wait'
        : 'decision.issue',
    subject: decision.id,
    ...(prolonged && { before: { not_after: settlement.decision.notAfter } }),
    after: {
      alert: alert.id,
      rule,
      target,
      audience,
      direction,
      ...measured(decision),
      not_after: notAfter,
      reasons: codes,
    },
  }
}

async function store(
  tx: Writer,
  keys: SigningKeys,
  changes: Changes,
  now: number,
): Promise<Envelope[]> {
  await putPending(tx, changes.pending)
  await insertAlerts(tx, changes.alerts)
  await insertDecisions(tx, [...changes.made.values()])
  for (const decision of changes.changed.values()) {
    await updateEvidence(tx, decision)
    if (changes.vetoed.has(decision.id))
      await updateReasons(tx, decision.id, decision.reasons, decision.would)
  }
  await appendJournal(tx, changes.journal)
  const ordered = [...changes.made.values(), ...changes.changed.values()].filter(({ id }) =>
    changes.orders.has(id),
  )
  const orders = ordered.map((decision) => ({
    audience: decision.audience,
    action: toOrder(decision, now),
  }))
  return issue(tx, keys, orders, now)
}

async function readRepeats(tx: Writer, alerts: readonly Alert[]): Promise<Map<string, Recorded>> {
  const known = await knownAlerts(
    tx,
    alerts.map((alert) => alert.id),
  )
  const decisions = await decisionsById(tx, [...new Set(known.values())])
  const recorded = new Map<string, Recorded>()
  for (const alert of alerts) {
    const decision = decisions.get(known.get(alert.id) ?? '')
    if (decision) recorded.set(alert.id, toRecorded(alert, decision, 'repeat'))
  }
  return recorded
}

/** What is pending already is a repeat, unless it comes now with what providers said. */
async function readPending(
  tx: Writer,
  alerts: readonly Alert[],
  given: Given,
  recorded: Map<string, Recorded>,
): Promise<void> {
  const ids = alerts.map(({ id }) => id).filter((id) => !recorded.has(id) && !given.has(id))
  const pending = await pendingAmong(tx, ids)
  for (const alert of alerts) {
    const decision = pending.get(alert.id)
    if (decision !== undefined) recorded.set(alert.id, toPending(alert, decision, 'repeat'))
  }
}

/** The first of each id that was not stored before. */
function unseen(alerts: readonly Alert[], recorded: ReadonlyMap<string, Recorded>): Alert[] {
  const fresh = new Map<string, Alert>()
  for (const alert of alerts)
    if (!recorded.has(alert.id) && !fresh.has(alert.id)) fresh.set(alert.id, alert)
  return [...fresh.values()]
}

/** One answer an alert, in order; the second of an id within the batch is a repeat of the first. */
function answers(
  alerts: readonly Alert[],
  fresh: readonly Alert[],
  recorded: ReadonlyMap<string, Recorded>,
): Recorded[] {
  const first = new Set(fresh)
  return alerts.map((alert) => {
    const found = recorded.get(alert.id)
    if (!found) throw new Problem('internal', `alert ${alert.id} was lost on the way`)
    return first.has(alert) ? found : { ...found, result: 'repeat' }
  })
}

function toPending(alert: Alert, decision: string, result: Recorded['result']): Recorded {
  return { alert: alert.id, result, decision, outcome: 'pending', state: 'pending' }
}

function toRecorded(alert: Alert, decision: Decision, result: Recorded['result']): Recorded {
  const { id, outcome, state } = decision
  return { alert: alert.id, result, decision: id, outcome, state }
}
