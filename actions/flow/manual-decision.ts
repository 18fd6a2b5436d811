/** The decision that an order by hand makes, and for how long a person may order it. */
import type { Direction } from '#contract/action.ts'
import type { Address } from '#contract/address.ts'
import { printDuration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Policy } from '../decide/policy.ts'
import type { Decision } from '../store/decisions.ts'
import { readMeasure, readScope, type Wished } from './manual-measure.ts'
import type { Who } from './order-line.ts'

/** A person may not order a longer block at once; renewing it is a decision that somebody makes again. */
const longestMs = 366 * 24 * 3_600_000

export type ManualOrder = Wished & {
  target: string
  lengthMs?: number | undefined
  audience?: string[] | undefined
  direction?: Direction | undefined
  /** A wide block is for everybody at once, and not for a few first. */
  atOnce?: boolean | undefined
  /** Of whoever orders: what is sent again under it is the same order, whatever has become of it. */
  key?: string | undefined
}

/** In force at once. `target` is canonical and may be ordered. Throws `invalid_input`. */
export function manualDecision(
  id: string,
  order: Omit<ManualOrder, 'target'> & { target: Address },
  { defaults }: Policy,
  who: Who,
  now: number,
): Decision {
  const { target, audience } = order
  const length = checkLength(order.lengthMs ?? defaults.lengthMs ?? 0)
  const measure = readMeasure(order)
  // Whoever is let in is to be answered too.
  const usual = measure.action === 'allow' ? 'both' : defaults.direction
  const direction = order.direction ?? usual
  return {
    id,
    state: 'issued',
    // Nobody who reads the verdict alone may take what is allowed for blocked.
    outcome: measure.action === 'allow' ? 'ignore' : 'block',
    origin: 'manual',
    rule: null,
    target: target.text,
    offender: null,
    direction,
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
    measure,
    scope: readScope(order, target, direction),
    rollout: null,
  }
}

/** Throws `invalid_input`. */
export function checkLength(lengthMs: number): number {
  if (lengthMs > 0 && lengthMs <= longestMs) return lengthMs
  throw new Problem(
    'invalid_input',
    lengthMs > 0 ? `${printDuration(lengthMs)} is too long` : 'every order needs a length',
    {
      remedy:
        'give a length such as "for": "4h", at most 366d; renew the block when it nears its end',
    },
  )
}
