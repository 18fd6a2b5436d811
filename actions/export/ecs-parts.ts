/** What the documents of journal lines, receipts and alerts have in common. */
import { isHost, maybeAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'

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

export function decisionFields(decision: Decision): EcsDocument {
  const { id, state, outcome, origin, direction, audience, alerts } = decision
  return {
    id,
    state,
    outcome,
    origin,
    audience,
    alerts,
    created: printTime(decision.created),
    ...(direction !== null && { direction }),
    ...(decision.notAfter !== null && { not_after: printTime(decision.notAfter) }),
    ...(decision.ended !== null && { ended: printTime(decision.ended) }),
    ...(decision.endReason !== null && { end_reason: decision.endReason }),
  }
}
