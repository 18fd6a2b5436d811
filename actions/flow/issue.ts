/** Turns orders into signed envelopes, one for each audience, within the transaction that recorded the decisions. */
import { type Action, longestReason, type StandingAction } from '#contract/action.ts'
import {
  type EnvelopeClaims,
  envelopeHash,
  envelopeLifeSeconds,
  maxActions,
  tokenType,
} from '#contract/envelope.ts'
import { Problem } from '#contract/problem.ts'
import type { Decision } from '../store/decisions.ts'
import {
  dropClaims,
  type Envelope,
  type Head,
  insertEnvelope,
  putClaims,
  readHead,
} from '../store/outbox.ts'
import type { Writer } from '../store/store.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

/** One action and everybody whom it is for. */
export type Addressed = { audience: readonly string[]; action: Action }

/** Returns the envelopes in the order in which they are to be published once the transaction is committed. */
export async function issue(
  tx: Writer,
  keys: SigningKeys,
  orders: readonly Addressed[],
  now: number,
): Promise<Envelope[]> {
  const issued: Envelope[] = []
  for (const [audience, actions] of byAudience(orders)) {
    const lifted = actions.filter(({ action }) => action === 'lift')
    await dropClaims(
      tx,
      audience,
      lifted.map(({ decision }) => decision),
    )
    await putClaims(tx, audience, actions.filter(isStanding))
    let head = await readHead(tx, audience)
    for (let i = 0; i < actions.length; i += maxActions) {
      const envelope = seal(keys, head, actions.slice(i, i + maxActions), now)
      await insertEnvelope(tx, envelope)
      issued.push(envelope)
      head = envelope
    }
  }
  return issued
}

/** What a decision in force orders of the nodes. */
export function toOrder(decision: Decision, now: number): StandingAction {
  const { id, target, direction, notAfter, measure, scope } = decision
  if (target === null || direction === null || notAfter === null)
    throw new Problem('internal', `decision ${id} orders nothing`)
  const reason = (decision.rule ?? decision.note ?? 'by hand').slice(0, longestReason)
  const { ports, ...rest } = scope
  return {
    ...measure,
    decision: id,
    target,
    direction,
    ...rest,
    ...(ports && { ports: [...ports] }),
    issued: now,
    not_after: notAfter,
    reason,
  }
}

/** Pure but for the signature: the envelope that follows the head. */
export function seal(
  keys: SigningKeys,
  head: Head,
  actions: readonly Action[],
  now: number,
): Envelope {
  const { audience, epoch } = head
  const iat = Math.floor(now / 1_000)
  const seq = head.seq + 1
  const claims: EnvelopeClaims = {
    iss: keys.issuer,
    aud: audience,
    iat,
    exp: iat + envelopeLifeSeconds,
    jti: `${audience}:${epoch}:${seq}`,
    epoch,
    seq,
    prev: head.hash,
    actions: [...actions],
  }
  const jws = sign(keys.current(), tokenType.actions, claims)
  return { audience, epoch, seq, hash: envelopeHash(jws), jws, created: now }
}

function byAudience(orders: readonly Addressed[]): Map<string, Action[]> {
  const grouped = new Map<string, Action[]>()
  for (const { audience, action } of orders)
    for (const name of audience) {
      const actions = grouped.get(name)
      if (actions) actions.push(action)
      else grouped.set(name, [action])
    }
  return grouped
}

function isStanding(action: Action): action is StandingAction {
  return action.action !== 'lift'
}
