/** Gathers what Cordon knows of an address, for connectors that answer for it. */
import { readAddress } from '#contract/address.ts'
import type { Knowledge, KnownDecision } from '#contract/knowledge.ts'
import type { FactSources } from '../facts/sources.ts'
import { attackerAlerts } from '../store/attacker-alerts.ts'
import { type Decision, listDecisions } from '../store/decisions.ts'
import { receiptsOf } from '../store/receipts.ts'
import type { Store } from '../store/store.ts'
import { decisionsOn } from './decisions-on.ts'
import { stops } from './order-line.ts'

const alertWindowMs = 30 * 24 * 3_600_000
const mostAlerts = 1_000
const mostDecisions = 20

/** Throws `address_invalid`. */
export async function knowledgeOf(
  { store, sources, now }: { store: Store; sources: FactSources; now: number },
  text: string,
): Promise<Knowledge> {
  const address = readAddress(text)
  const { within, covering } = await decisionsOn(store.read, address, now)
  const before = await listDecisions(store.read, { target: address.text, limit: mostDecisions })
  // Who asks takes what is in force for a block.
  const all = [...within, ...covering, ...before].filter(stops)
  const decisions = [...new Map(all.map((one) => [one.id, one])).values()].slice(0, mostDecisions)
  const { place, lists } = sources.of(address)
  const span = { since: now - alertWindowMs, limit: mostAlerts }
  return {
    address: address.text,
    decisions: await withNodes(store, decisions),
    alerts: await attackerAlerts(store.read, address, span),
    place: { country: place.country, asn: place.asn, as_owner: place.as_owner },
    lists,
  }
}

async function withNodes(store: Store, decisions: readonly Decision[]): Promise<KnownDecision[]> {
  const receipts = await receiptsOf(
    store.read,
    decisions.map(({ id }) => id),
  )
  const applied = receipts.filter(({ status }) => status === 'applied')
  return decisions.map((one) => ({
    id: one.id,
    state: one.state,
    outcome: one.outcome,
    target: one.target ?? '',
    rule: one.rule ?? undefined,
    direction: one.direction ?? undefined,
    created: one.created,
    notAfter: one.notAfter ?? undefined,
    ended: one.ended ?? undefined,
    nodes: applied.filter(({ decision }) => decision === one.id).length,
  }))
}
