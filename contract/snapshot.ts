/**
 * The whole state of one audience: a signed manifest that names the digests of its chunks. A node applies it
 * only when every chunk is there, then goes on in the stream at `seq + 1`.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type BlockAction, readAction } from './action.ts'
import { Audience } from './audience.ts'
import { Problem } from './problem.ts'

/** Blocks in one chunk; also what one kernel transaction takes at most. */
export const chunkSize = 5_000

export const SnapshotClaims = z.strictObject({
  iss: z.string(),
  aud: Audience,
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  epoch: z.int().min(1),
  /** The last envelope whose effect the snapshot holds; 0 and '' when there is none yet. */
  seq: z.int().nonnegative(),
  head: z.string(),
  /** The node's own, fresh for each request: yesterday's manifest answers nobody. */
  nonce: z.string().min(16).max(100),
  blocks: z.int().nonnegative(),
  chunks: z.array(z.string()),
})
export type SnapshotClaims = z.infer<typeof SnapshotClaims>

/** One line a block: a JSON array of these, which is a third of the size of the objects. */
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

export function printChunk(blocks: readonly BlockAction[]): string {
  return JSON.stringify(blocks.map(toRow))
}

/** Throws `snapshot_incomplete` when the text is not the one that was promised, `unsupported` when it is no chunk. */
export function readChunk(text: string, digest: string): BlockAction[] {
  if (chunkDigest(text) !== digest)
    throw new Problem(
      'snapshot_incomplete',
      'a chunk of the snapshot is not the one that was signed for',
      {
        remedy:
          'the node asks for a new snapshot by itself; if this repeats, look at what relays the traffic',
      },
    )
  return readRows(text).map(fromRow)
}

/** Hex SHA-256 of the chunk's text; also its name in the URL. */
export function chunkDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function toRow(block: BlockAction): Row {
  const { decision, target, direction, issued, not_after, reason, ...rest } = block
  const { action: _, ...scope } = rest
  const row: Plain = [decision, target, direction, issued, not_after, reason]
  return Object.keys(scope).length === 0 ? row : [...row, scope]
}

/** Only that they are rows: what stands in them is read as an action each. */
function readRows(text: string): unknown[][] {
  try {
    const rows: unknown = JSON.parse(text)
    if (Array.isArray(rows) && rows.every(Array.isArray)) return rows
    throw new TypeError('it is no array of arrays')
  } catch (error) {
    throw new Problem('unsupported', 'a chunk of the snapshot is not understood', {
      remedy: 'upgrade the agent of this node to the version of the service',
      cause: error,
    })
  }
}

function fromRow(row: readonly unknown[]): BlockAction {
  const [decision, target, direction, issued, not_after, reason, scope] = row
  const action = readAction({
    action: 'block',
    decision,
    target,
    direction,
    issued,
    not_after,
    reason,
    ...(typeof scope === 'object' && scope),
  })
  if (action.action !== 'block') throw new Problem('unsupported', 'a snapshot holds blocks only')
  return action
}
