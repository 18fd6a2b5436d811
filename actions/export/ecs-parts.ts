/** What the documents of journal lines, receipts and alerts have in common. */
import { isHost, maybeAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'
import type { Hits } from '../store/hits.ts'

export type EcsDocument = { readonly [field: string]: unknown }

/** A part of the service itself (`policy`, `clock`, `service`) is no user. */
export function who(actor: string, target: string | undefined): EcsDocument {
  const [, kind, name] = /^(token|node)\/(.*)$/s.exec(actor) ?? []
  const related = {
    ...(isHostText(target) && { ip: [target] }),
    ...(kind === 'token' && { user: [name] }),
  }
  return {
    ...(kind === 'token' && { user: { name } }),
    ...(kind === 'node' && {
      observer: { name, type: 'firewall', vendor: 'Cordon', product: 'Cordon agent' },
    }),
    ...(Object.keys(related).length > 0 && { related }),
  }
}

export function isHostText(target: string | undefined): boolean {
  const address = target === undefined ? undefined : maybeAddress(target)
  return address !== undefined && isHost(address)
}

export function sideOf(decision: Decision | undefined): 'source' | 'destination' {
  return decision?.direction === 'out' ? 'destination' : 'source'
}

/**
 * Which part of the traffic is meant: the port is always the destination's, and an interface that by which it comes, or
 * leaves. Several ports are none, and stand in `cordon.decision` only.
 */
export function scopeFields(decision: Decision | undefined): EcsDocument {
  if (!decision) return {}
  const { scope, direction } = decision
  const [port, ...others] = scope.ports ?? []
  const single = others.length === 0 && port !== undefined && /^\d+$/.test(port)
  const side = direction === 'out' ? 'egress' : 'ingress'
  return {
    ...(scope.protocol !== undefined && { network: { transport: scope.protocol } }),
    ...(single && { destination: { port: Number(port) } }),
    ...(scope.interface !== undefined && {
      observer: { [side]: { interface: { name: scope.interface } } },
    }),
  }
}

/** Fields of several parts under the same names, put together. */
export function merged(...parts: readonly EcsDocument[]): EcsDocument {
  const all: Record<string, unknown> = {}
  for (const part of parts)
    for (const [name, value] of Object.entries(part)) {
      const known = all[name]
      all[name] = isObject(known) && isObject(value) ? { ...known, ...value } : value
    }
  return all
}

function isObject(value: unknown): value is EcsDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function decisionFields(decision: Decision, hits?: Hits): EcsDocument {
  const { id, state, outcome, origin, direction, audience, alerts, measure, scope } = decision
  return {
    id,
    state,
    outcome,
    origin,
    audience,
    alerts,
    created: printTime(decision.created),
    action: measure.action,
    ...(measure.action === 'block' && measure.response && { response: measure.response }),
    ...(measure.action === 'limit' && { rate: measure.rate }),
    ...scope,
    ...(hits && { packets: hits.packets, last_hit: printTime(hits.last) }),
    ...(direction !== null && { direction }),
    ...(decision.notAfter !== null && { not_after: printTime(decision.notAfter) }),
    ...(decision.ended !== null && { ended: printTime(decision.ended) }),
    ...(decision.endReason !== null && { end_reason: decision.endReason }),
  }
}
