/** What was installed at a place and what was there before: the file by which an installation undoes itself. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { TimeText } from '#contract/time.ts'
import type { State } from './state.ts'

/** Each text that is ours; two only between the first and the last write of an installation. */
const Digests = z.array(z.string().regex(/^[0-9a-f]{64}$/)).min(1)
const Path = z.string().startsWith('/')

const Former = z.strictObject({
  content: z.base64(),
  mode: z.int().min(0).max(0o7777),
  uid: z.int().nonnegative().optional(),
  gid: z.int().nonnegative().optional(),
})

const FileEntry = z.strictObject({
  kind: z.literal('file'),
  path: Path,
  keep: z.boolean(),
  /** Null: nothing was there. */
  former: Former.nullable(),
  ours: Digests,
})

const BlockEntry = z.strictObject({
  kind: z.literal('block'),
  path: Path,
  mark: z.string(),
  comment: z.enum(['xml', 'hash']),
  before: z.string().optional(),
  /** The file was not there: it goes with its last line. */
  made: z.boolean(),
  lead: z.enum(['', '\n', '\r\n']),
  ours: Digests,
})

const Entry = z.discriminatedUnion('kind', [FileEntry, BlockEntry])

const Installed = z.strictObject({
  version: z.literal(1),
  host: z.string(),
  installed: TimeText,
  parts: z.array(z.string()),
  settings: z.record(z.string(), z.string()),
  /** Made for this, outermost first. */
  folders: z.array(Path),
  entries: z.array(Entry),
})

export type Installed = z.infer<typeof Installed>
export type Entry = z.infer<typeof Entry>
export type FileEntry = z.infer<typeof FileEntry>
export type BlockEntry = z.infer<typeof BlockEntry>

/**
 * Whoever may write it may have any file written at the next removal, so it counts only as one's own or root's. `me` is undefined
 * where the system has no users. Throws `conflict`.
 */
export function readRecord(
  state: State | undefined,
  path: string,
  me: number | undefined,
): Installed | undefined {
  if (state === undefined) return undefined
  const { uid, mode, content } = state
  if (me !== undefined && ((uid !== me && uid !== 0) || (mode & 0o022) !== 0))
    throw new Problem('conflict', `the record ${path} could have been written by somebody else`, {
      remedy: 'look at it; if it is right, make it your own and of mode 0600',
    })
  const read = Installed.safeParse(parse(content))
  if (read.success) return read.data
  throw new Problem('conflict', `the record ${path} is not understood`, {
    remedy: 'a newer version may have written it: use that one; or restore it from a backup',
    cause: read.error,
  })
}

export function printRecord(record: Installed): Buffer {
  return Buffer.from(`${JSON.stringify(record, null, 1)}\n`)
}

/**
 * Written before anything else: with it a process that is killed half way leaves nothing that could not be told from the work
 * of a person, and that the next installation or removal would not set right.
 */
export function pendingRecord(
  before: Installed | undefined,
  after: Installed | undefined,
): Installed | undefined {
  if (before === undefined) return after
  const [base, other] = after === undefined ? [before, undefined] : [after, before]
  const keys = new Set(base.entries.map(keyOf))
  const merged = base.entries.map((entry) => {
    const old = other?.entries.find((candidate) => keyOf(candidate) === keyOf(entry))
    return { ...entry, ours: [...new Set([...(old?.ours ?? []), ...entry.ours])] }
  })
  const gone = other?.entries.filter((entry) => !keys.has(keyOf(entry))) ?? []
  return { ...base, entries: [...merged, ...gone] }
}

export function keyOf(entry: Pick<Entry, 'kind' | 'path'> & { mark?: string }): string {
  return JSON.stringify([entry.kind, entry.path, entry.mark ?? ''])
}

export function keepState(state: State): FileEntry['former'] {
  return { ...state, content: state.content.toString('base64') }
}

export function formerState(former: FileEntry['former']): State | undefined {
  if (former === null) return undefined
  const { content, mode, uid, gid } = former
  return { content: Buffer.from(content, 'base64'), mode, uid, gid }
}

function parse(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString())
  } catch {
    return undefined
  }
}
