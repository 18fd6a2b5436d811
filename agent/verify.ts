/** Whether a signed batch of actions, or a signed place, is for this node, fresh, and the next one. Pure, given the keys. */
import type { Position } from '#contract/audience.ts'
import { EnvelopeClaims, HeadClaims, tokenType } from '#contract/envelope.ts'
import { readStatement, type Trust } from './signature.ts'
import { refused, refuseStale, refuseStranger } from './unfit.ts'

/** That the service said it, to whomever. Throws a Problem with an `envelope_*` code. */
export function readEnvelope(jws: string, trust: Trust): EnvelopeClaims {
  return readStatement(jws, tokenType.actions, EnvelopeClaims, trust)
}

/**
 * That it is for this node, fresh, and the next one after `held`. Throws a Problem with an `envelope_*` code; when
 * it is a gap, a fork, an epoch or an age, the audience's whole state is to be asked for.
 */
export function refuseUnfit(
  claims: EnvelopeClaims,
  audiences: ReadonlySet<string>,
  held: Position | undefined,
  now: number,
): void {
  refuseStranger(claims.aud, audiences)
  refuseRepeat(claims, held)
  refuseStale(claims, now)
  refuseOutOfOrder(claims, held)
}

/** That the service said it, to whomever and whenever. Throws as readEnvelope does. */
export function readHead(jws: string, trust: Trust): HeadClaims {
  return readStatement(jws, tokenType.head, HeadClaims, trust)
}

export function verifyHead(
  jws: string,
  trust: Trust,
  audiences: ReadonlySet<string>,
  now: number,
): HeadClaims {
  const claims = readHead(jws, trust)
  refuseStranger(claims.aud, audiences)
  refuseStale(claims, now)
  return claims
}

/** Before its age: an old repeat is dropped, and nobody has to ask for anything. */
function refuseRepeat(claims: EnvelopeClaims, held: Position | undefined): void {
  if (held && claims.epoch === held.epoch && claims.seq <= held.seq)
    throw refused('envelope_replayed', `sequence is ${claims.seq}, this node has ${held.seq}`)
}

function refuseOutOfOrder(claims: EnvelopeClaims, held: Position | undefined): void {
  if (!held) throw refused('envelope_gap', `nothing of ${claims.aud} is known yet`)
  if (claims.epoch !== held.epoch)
    throw refused('envelope_epoch', `epoch is ${claims.epoch}, this node is in ${held.epoch}`)
  if (claims.seq > held.seq + 1)
    throw refused('envelope_gap', `sequence is ${claims.seq}, expected ${held.seq + 1}`)
  if (claims.prev !== held.hash)
    throw refused('envelope_fork', `envelope ${claims.seq} does not follow the one that is held`)
}
