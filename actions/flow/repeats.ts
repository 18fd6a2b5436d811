/** Which alerts of a batch are known already, and what each of the batch is answered. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { knownAlerts } from '../store/alerts.ts'
import { type Decision, decisionsById } from '../store/decisions.ts'
import { pendingAmong } from '../store/pending.ts'
import type { Writer } from '../store/store.ts'
import type { Given } from './enrich.ts'
import type { Recorded } from './record.ts'

/** By alert id. What is pending already is a repeat, unless it comes now with what providers said. */
export async function readKnown(
  tx: Writer,
  alerts: readonly Alert[],
  given: Given,
): Promise<Map<string, Recorded>> {
  const recorded = await readRepeats(tx, alerts)
  const ids = alerts.map(({ id }) => id).filter((id) => !recorded.has(id) && !given.has(id))
  const pending = await pendingAmong(tx, ids)
  for (const alert of alerts) {
    const decision = pending.get(alert.id)
    if (decision !== undefined) recorded.set(alert.id, toPending(alert, decision, 'repeat'))
  }
  return recorded
}

/** The first of each id that was not stored before. */
export function unseen(alerts: readonly Alert[], recorded: ReadonlyMap<string, Recorded>): Alert[] {
  const fresh = new Map<string, Alert>()
  for (const alert of alerts)
    if (!recorded.has(alert.id) && !fresh.has(alert.id)) fresh.set(alert.id, alert)
  return [...fresh.values()]
}

/** One answer an alert, in order; the second of an id within the batch is a repeat of the first. */
export function answers(
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

export function toPending(alert: Alert, decision: string, result: Recorded['result']): Recorded {
  return { alert: alert.id, result, decision, outcome: 'pending', state: 'pending' }
}

export function toRecorded(alert: Alert, decision: Decision, result: Recorded['result']): Recorded {
  const { id, outcome, state } = decision
  return { alert: alert.id, result, decision: id, outcome, state }
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
