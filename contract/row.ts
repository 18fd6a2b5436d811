/** What stands until its end as one row of a chunk: an array, which is a third of the size of the object. */
import { isDecisionId, longestReason, readAction, type StandingAction } from './action.ts'
import { type Address, maybeAddress, readAddress } from './address.ts'
import { Problem, toProblem } from './problem.ts'
import { latestMs } from './time.ts'

type Row = [...Plain, More?]
type Plain = [
  decision: string,
  target: string,
  direction: string,
  issued: number,
  not_after: number,
  reason: string,
]
/** What a plain block has not: another action, a narrower scope, a rate. */
type More = { readonly [name: string]: unknown }

/** An action with its target as it was parsed to be checked, or why there is none and whose it would have been. */
export type ReadRow =
  | { order: StandingAction; target: Address }
  | { decision: string | undefined; refused: Problem }

/** Its JSON text: rows joined by commas are what a chunk holds. */
export function printRow(order: StandingAction): string {
  const { decision, target, direction, issued, not_after, reason, ...rest } = order
  const { action, ...scope } = rest
  const more = action === 'block' ? scope : { action, ...scope }
  const plain: Plain = [decision, target, direction, issued, not_after, reason]
  const row: Row = Object.keys(more).length === 0 ? plain : [...plain, more]
  return JSON.stringify(row)
}

/** Never throws. */
export function readRow(row: unknown): ReadRow {
  try {
    const plain = readPlain(row)
    if (plain) return plain
    const order = readAction(entryOf(row))
    if (order.action === 'lift')
      throw new Problem('unsupported', 'a snapshot holds what stands, and no lift')
    return { order, target: readAddress(order.target) }
  } catch (error) {
    return { decision: decisionOf(row), refused: toProblem(error) }
  }
}

/**
 * Takes no row that the schema of an action refuses, which a test compares. The schema takes several times as long,
 * and a hundred thousand rows come at once.
 */
function readPlain(row: unknown): ReadRow | undefined {
  if (!Array.isArray(row) || row.length !== 6) return undefined
  const [decision, text, direction, issued, not_after, reason]: unknown[] = row
  if (typeof decision !== 'string' || !isDecisionId(decision)) return undefined
  if (direction !== 'in' && direction !== 'out' && direction !== 'both') return undefined
  if (!isEpochMs(issued) || !isEpochMs(not_after)) return undefined
  if (typeof reason !== 'string' || reason.length > longestReason) return undefined
  if (typeof text !== 'string') return undefined
  const target = maybeAddress(text)
  if (target?.text !== text) return undefined
  return {
    order: { action: 'block', decision, target: text, direction, issued, not_after, reason },
    target,
  }
}

function isEpochMs(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === 'number' && value >= 0 && value <= latestMs
}

/** What the row names cannot be named again by what comes after it; what is left over makes it unsupported. */
function entryOf(row: unknown): unknown {
  if (!Array.isArray(row)) return row
  const [decision, target, direction, issued, not_after, reason, rest, ...more]: unknown[] = row
  const given = typeof rest === 'object' && rest !== null ? rest : {}
  const plain = { decision, target, direction, issued, not_after, reason }
  const twice = Object.keys(given).some((key) => key in plain)
  return { action: 'block', ...given, ...plain, ...(more.length > 0 || twice ? { more } : {}) }
}

function decisionOf(row: unknown): string | undefined {
  const decision: unknown = Array.isArray(row) ? row[0] : undefined
  return typeof decision === 'string' && isDecisionId(decision) ? decision : undefined
}
