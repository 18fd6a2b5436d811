/** A decision as the row in which it is kept. */
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { Direction } from '#contract/action.ts'
import type { Outcome, Reason } from '../decide/verdict.ts'
import type { Decision } from './decisions.ts'
import { measureColumns, measureOf, rolloutColumns, rolloutOf, scopeOf } from './measure-columns.ts'
import type { Tables } from './tables.ts'

export type DecisionRow = Selectable<Tables['decisions']>

const Audiences = z.array(z.string())

export function toRow(decision: Decision): DecisionRow {
  return {
    id: decision.id,
    state: decision.state,
    outcome: decision.outcome,
    origin: decision.origin,
    rule: decision.rule,
    target: decision.target,
    offender: decision.offender,
    direction: decision.direction,
    audience: JSON.stringify(decision.audience),
    length_ms: decision.lengthMs,
    created: decision.created,
    issued: decision.issued,
    not_after: decision.notAfter,
    ended: decision.ended,
    end_reason: decision.endReason,
    actor: decision.actor,
    note: decision.note,
    verdict: JSON.stringify({ reasons: decision.reasons, would: decision.would }),
    alerts: decision.alerts,
    ...measureColumns(decision),
    ...rolloutColumns(decision.rollout),
  }
}

export function fromRow(row: DecisionRow): Decision {
  const verdict = JSON.parse(row.verdict) as { reasons: Reason[]; would: Outcome | null }
  return {
    id: row.id,
    state: row.state,
    outcome: row.outcome,
    origin: row.origin,
    rule: row.rule,
    target: row.target,
    offender: row.offender,
    direction: row.direction === null ? null : Direction.parse(row.direction),
    audience: readAudience(row.audience),
    lengthMs: row.length_ms,
    created: row.created,
    issued: row.issued,
    notAfter: row.not_after,
    ended: row.ended,
    endReason: row.end_reason,
    actor: row.actor,
    note: row.note,
    reasons: verdict.reasons,
    would: verdict.would,
    alerts: row.alerts,
    measure: measureOf(row),
    scope: scopeOf(row),
    rollout: rolloutOf(row),
  }
}

export function readAudience(text: string): string[] {
  return Audiences.parse(JSON.parse(text))
}
