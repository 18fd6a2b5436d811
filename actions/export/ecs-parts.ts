/** What the documents of journal lines, receipts and alerts have in common. */
import { isHost, maybeAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'
import type { Hits } from '../store/hits.ts'

export type EcsDocument = { readonly [field: string]: unknown }

/** A part of the service itself (`policy`, `clock`, `service`) is no user. */
export function who(actor: string, target: string | undefined, peer?: string): EcsDocument {
  const [, kind, name] = /^(token|node)\/(.*)$/s.exec(actor) ?? []
  const hosts = [target, peer].filter(isHostText)
  const related = {
    ...(hosts.length > 0 && { ip: hosts }),
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

function sideOf(decision: Decision | undefined): 'source' | 'destination' {
  const to = decision?.direction === 'out' || decision?.direction === 'forward_to'
  return to ? 'destination' : 'source'
}

/** The target is the side that its direction says, for both ways the source; its peer is the other one. */
export function endFields(target: string | undefined, decision: Decision | undefined): EcsDocument {
  const side = sideOf(decision)
  const other = side === 'source' ? 'destination' : 'source'
  const peer = decision?.scope.peer
  return {
    ...(isHostText(target) && { [side]: { ip: target } }),
    ...(isHostText(peer) && { [other]: { ip: peer } }),
  }
}

/**
 * Which part of the traffic is meant: the port is always the destination's, and an interface that by which it comes, or
 * leaves. Several ports are none, and stand in `cordon.decision` only.
 */
export function scopeFields(decision: Decision | undefined): EcsDocument {
  if (!decision) return {}
  const { protocol, ports, interface: near, peer_interface: far } = decision.scope
  const [port, ...others] = ports ?? []
  const single = others.length === 0 && port !== undefined && /^\d+$/.test(port)
  const [ingress, egress] = sideOf(decision) === 'source' ? [near, far] : [far, near]
  const sides = { ...named('ingress', ingress), ...named('egress', egress) }
  return {
    ...(protocol !== undefined && { network: { transport: protocol } }),
    ...(single && { destination: { port: Number(port) } }),
    ...(Object.keys(sides).length > 0 && { observer: sides }),
  }
}

function named(side: string, name: string | undefined): EcsDocument {
  return name === undefined ? {} : { [side]: { interface: { name } } }
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
