/** What a decision does to which traffic, and where first, as columns of its row. */
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { InterfaceName, PortRange, Protocol, Rate } from '#contract/action.ts'
import { type Measure, type Narrowing, unnarrowed } from '../decide/measure.ts'
import type { Tables } from './tables.ts'

type Row = Selectable<Tables['decisions']>

const Audiences = z.array(z.string())

/** A block that goes to a few nodes first, and to everybody once they are seen to be well. */
export type Rollout = {
  /** Whom it is for in the end; until then the decision's own audience is the few. */
  audience: string[]
  /** Those of the few that were well when it began: they are looked at. */
  nodes: string[]
  began: number
  /** When they are looked at; null when that is over. */
  due: number | null
}

export function measureColumns({
  measure,
  scope,
}: {
  measure: Measure
  scope: Narrowing
}): Pick<Row, 'action' | 'scope' | 'response' | 'rate'> {
  return {
    action: measure.action,
    scope: Object.keys(scope).length === 0 ? null : JSON.stringify(scope),
    response: (measure.action === 'block' && measure.response) || null,
    rate: measure.action === 'limit' ? JSON.stringify(measure.rate) : null,
  }
}

export function rolloutColumns(rollout: Rollout | null): Pick<Row, 'rollout' | 'rollout_due'> {
  if (rollout === null) return { rollout: null, rollout_due: null }
  const { due, ...rest } = rollout
  return { rollout: JSON.stringify(rest), rollout_due: due }
}

const Scope = z.strictObject({
  interface: InterfaceName.exactOptional(),
  peer: z.string().exactOptional(),
  peer_interface: InterfaceName.exactOptional(),
  protocol: Protocol.exactOptional(),
  ports: z.array(PortRange).exactOptional(),
})
const Staged = z.strictObject({ audience: Audiences, nodes: z.array(z.string()), began: z.int() })

export function measureOf({
  action,
  response,
  rate,
}: Pick<Row, 'action' | 'response' | 'rate'>): Measure {
  if (action === 'allow') return { action }
  if (action === 'limit') return { action, rate: Rate.parse(JSON.parse(rate ?? 'null')) }
  return response === null ? { action } : { action, response }
}

export function scopeOf({ scope }: Pick<Row, 'scope'>): Narrowing {
  return scope === null ? unnarrowed : Scope.parse(JSON.parse(scope))
}

export function rolloutOf(row: Pick<Row, 'rollout' | 'rollout_due'>): Rollout | null {
  if (row.rollout === null) return null
  return { ...Staged.parse(JSON.parse(row.rollout)), due: row.rollout_due }
}
