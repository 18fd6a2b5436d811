/** The decision that a block by hand makes, and how long a person may block. */
import type { Direction } from '#contract/action.ts'
import { printDuration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Policy } from '../decide/policy.ts'
import type { Decision } from '../store/decisions.ts'
import type { Who } from './order-line.ts'

/** A person may not order a longer block at once; renewing it is a decision that somebody makes again. */
const longestMs = 366 * 24 * 3_600_000

export type BlockOrder = {
  target: string
  lengthMs?: number | undefined
  audience?: string[] | undefined
  direction?: Direction | undefined
}

/** In force at once. `target` is canonical and allowed. */
export function manualDecision(
  id: string,
  { target, lengthMs, audience, direction }: BlockOrder,
  { defaults }: Policy,
  who: Who,
  now: number,
): Decision {
  const length = checkLength(lengthMs ?? defaults.lengthMs ?? 0)
  return {
    id,
    state: 'issued',
    outcome: 'block',
    origin: 'manual',
    rule: null,
    target,
    offender: null,
    direction: direction ?? defaults.direction,
    audience: [...(audience ?? defaults.audience)],
    lengthMs: length,
    created: now,
    issued: now,
    notAfter: now + length,
    ended: null,
    endReason: null,
    actor: who.actor,
    note: who.reason,
    reasons: [],
    would: null,
    alerts: 0,
  }
}

/** Throws `invalid_input`. */
export function checkLength(lengthMs: number): number {
  if (lengthMs > 0 && lengthMs <= longestMs) return lengthMs
  throw new Problem(
    'invalid_input',
    lengthMs > 0 ? `${printDuration(lengthMs)} is too long` : 'every block needs a length',
    {
      remedy:
        'give a length such as "for": "4h", at most 366d; renew the block when it nears its end',
    },
  )
}
