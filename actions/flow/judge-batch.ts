/** One transaction: repeats dropped, facts gathered, each alert judged and settled, all stored, signed, journalled. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { decide } from '../decide/decide.ts'
import type { Policy } from '../decide/policy.ts'
import { insertAlerts, knownAlerts, type NewAlert } from '../store/alerts.ts'
import {
  type Decision,
  decisionsById,
  insertDecisions,
  updateEvidence,
} from '../store/decisions.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import type { Envelope } from '../store/outbox.ts'
import type { Store, Writer } from '../store/store.ts'
import type { BlockCount } from './block-count.ts'
import { gather } from './enrich.ts'
import type { Hub } from './hub.ts'
import { issue, toBlock } from './issue.ts'
import type { SigningKeys } from './keys.ts'
import type { Recorded } from './record.ts'
import { type Settlement, settle } from './settle.ts'

export type JudgeParts = {
  store: Store
  keys: SigningKeys
  hub: Hub
  blocks: BlockCount
  policy(): Policy
  /** Networks of the service itself. */
  own(): readonly string[]
  now(): number
}

export async function judgeBatch(
  tx: Writer,
  parts: JudgeParts,
  alerts: readonly Alert[],
): Promise<{ recorded: Recorded[]; envelopes: Envelope[]; blocks: number }> {
  const now = parts.now()
  const policy = parts.policy()
  const recorded = await readRepeats(tx, alerts)
  const fresh = unseen(alerts, recorded)
  await parts.blocks.refresh(tx, now)
  const facts = await gather(tx, fresh, policy, parts.own(), parts.blocks, now)
  const changes = openChanges()
  for (const alert of fresh) {
    const verdict = decide({ alert, facts: facts.factsOf(alert), policy, now })
    const standing = facts.standingOn(verdict.order?.target ?? '')
    const offender = facts.offenderOf(alert)
    const settlement = settle(alert, verdict, offender, standing, now)
    const decision = addSettlement(changes, alert, settlement, now)
    changes.alerts.push({ alert, decision: decision.id, offender })
    facts.remember(alert, decision)
    recorded.set(alert.id, toRecorded(alert, decision, 'stored'))
  }
  const envelopes = await store(tx, parts.keys, changes, now)
  return { recorded: answers(alerts, fresh, recorded), envelopes, blocks: facts.blocksMade() }
}

/** What one batch adds to the store, gathered so that each table is written once. */
type Changes = {
  alerts: NewAlert[]
  /** Decisions of this batch, as they stand at its end. */
  made: Map<string, Decision>
  /** Decisions of earlier batches that gained evidence or time. */
  changed: Map<string, Decision>
  /** Decisions, of either kind, that the nodes have to hear of. */
  orders: Set<string>
  journal: JournalEntry[]
}

function openChanges(): Changes {
  return { alerts: [], made: new Map(), changed: new Map(), orders: new Set(), journal: [] }
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
  const entry = journalEntry(alert, settlement, decision, now)
  if (entry) changes.journal.push(entry)
  if (entry && decision.state !== 'waiting') changes.orders.add(decision.id)
  return decision
}

function withEvidence({ decision, notAfter }: Extract<Settlement, { kind: 'evidence' }>): Decision {
  return { ...decision, alerts: decision.alerts + 1, notAfter: notAfter ?? decision.notAfter }
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
  await insertAlerts(tx, changes.alerts)
  await insertDecisions(tx, [...changes.made.values()])
  for (const decision of changes.changed.values()) await updateEvidence(tx, decision)
  await appendJournal(tx, changes.journal)
  const ordered = [...changes.made.values(), ...changes.changed.values()].filter(({ id }) =>
    changes.orders.has(id),
  )
  const orders = ordered.map((decision) => ({
    audience: decision.audience,
    action: toBlock(decision, now),
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

function toRecorded(alert: Alert, decision: Decision, result: Recorded['result']): Recorded {
  const { id, outcome, state } = decision
  return { alert: alert.id, result, decision: id, outcome, state }
}
