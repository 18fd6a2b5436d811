/** What one batch of alerts adds to the store: gathered alert by alert, then written, journalled and signed at once. */
import type { Alert } from '#contract/alert.ts'
import { insertAlerts, type NewAlert } from '../store/alerts.ts'
import {
  type Decision,
  insertDecisions,
  updateEvidence,
  updateReasons,
} from '../store/decisions.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import type { Envelope } from '../store/outbox.ts'
import { type Pending, putPending } from '../store/pending.ts'
import type { Writer } from '../store/store.ts'
import { issue, toOrder } from './issue.ts'
import type { SigningKeys } from './keys.ts'
import { measured } from './order-line.ts'
import type { Settlement } from './settle.ts'

/** What one batch adds to the store, gathered so that each table is written once. */
export type Changes = {
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

export function openChanges(): Changes {
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
export function addSettlement(
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

/** Returns the envelopes that the nodes have to hear of. */
export async function storeChanges(
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
