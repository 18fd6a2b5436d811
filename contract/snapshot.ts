/**
 * The whole state of one audience: a signed manifest that names the digests of its chunks. A node applies it
 * only when every chunk is there, then goes on in the stream at `seq + 1`.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Audience } from './audience.ts'
import { Problem } from './problem.ts'
import { type ReadRow, readRow } from './row.ts'

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

/**
 * Row by row, as they are asked for. A row that this version does not understand is refused by itself, so that an older
 * node can follow a newer service. Throws `snapshot_incomplete` when the text is not the one that was promised, and
 * `unsupported` when it is no chunk.
 */
export function readChunk(text: string, digest: string): Generator<ReadRow> {
  if (chunkDigest(text) !== digest)
    throw new Problem(
      'snapshot_incomplete',
      'a chunk of the snapshot is not the one that was signed for',
      {
        remedy:
          'the node asks for a new snapshot by itself; if this repeats, look at what relays the traffic',
      },
    )
  return readRows(parseRows(text))
}

function* readRows(rows: readonly unknown[]): Generator<ReadRow> {
  for (const row of rows) yield readRow(row)
}

/** Hex SHA-256 of the chunk's text; also its name in the URL. */
export function chunkDigest(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

function parseRows(text: string): unknown[] {
  try {
    const rows: unknown = JSON.parse(text)
    if (Array.isArray(rows)) return rows
    throw new TypeError('it is no array')
  } catch (error) {
    throw new Problem('unsupported', 'a chunk of the snapshot is not understood', {
      remedy: 'upgrade the agent of this node to the version of the service',
      cause: error,
    })
  }
}
