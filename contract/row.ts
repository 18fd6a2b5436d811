/** A block as one row of a chunk: an array, which is a third of the size of the object. */
import { type BlockAction, isDecisionId, longestReason, readAction } from './action.ts'
import { type Address, maybeAddress, readAddress } from './address.ts'
import { Problem, toProblem } from './problem.ts'
import { latestMs } from './time.ts'

type Row = [...Plain, Scope?]
type Plain = [
  decision: string,
  target: string,
  direction: string,
  issued: number,
  not_after: number,
  reason: string,
]
type Scope = Pick<BlockAction, 'interface' | 'protocol' | 'ports'>

/** A block with its target as it was parsed to be checked, or why there is none and whose it would have been. */
export type ReadRow =
  | { block: BlockAction; target: Address }
  | { decision: string | undefined; refused: Problem }

export function printRow(block: BlockAction): Row {
  const { decision, target, direction, issued, not_after, reason, ...rest } = block
  const { action: _, ...scope } = rest
  const row: Plain = [decision, target, direction, issued, not_after, reason]
  return Object.keys(scope).length === 0 ? row : [...row, scope]
}

/** Never throws. */
export function readRow(row: unknown): ReadRow {
  try {
    const plain = readPlain(row)
    if (plain) return plain
    const block = readAction(entryOf(row))
    if (block.action !== 'block') throw new Problem('unsupported', 'a snapshot holds blocks only')
    return { block, target: readAddress(block.target) }
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
    block: { action: 'block', decision, target: text, direction, issued, not_after, reason },
    target,
  }
}

function isEpochMs(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === 'number' && value >= 0 && value <= latestMs
}

/** What the row does not name cannot be overwritten by its scope; what is left over makes it unsupported. */
function entryOf(row: unknown): unknown {
  if (!Array.isArray(row)) return row
  const [decision, target, direction, issued, not_after, reason, scope, ...more]: unknown[] = row
  const given = typeof scope === 'object' && scope !== null ? scope : {}
  const plain = { action: 'block', decision, target, direction, issued, not_after, reason }
  const twice = Object.keys(given).some((key) => key in plain)
  return { ...given, ...plain, ...(more.length > 0 || twice ? { more } : {}) }
}

function decisionOf(row: unknown): string | undefined {
  const decision: unknown = Array.isArray(row) ? row[0] : undefined
  return typeof decision === 'string' && isDecisionId(decision) ? decision : undefined
}
