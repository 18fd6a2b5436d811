/** What has to change so that a place holds what a manifest wishes, or no longer holds what was installed. Pure. */
import { Problem } from '#contract/problem.ts'
import type { Owners } from './accounts.ts'
import { findBlock, printBlock, putBlock } from './block.ts'
import {
  type BlockEntry,
  type Entry,
  type FileEntry,
  formerState,
  type Installed,
  keepState,
  keyOf,
} from './record.ts'
import { type Change, digestOf, type Seen, type State, sameContent, sameState } from './state.ts'
import { undoBlock, undoFile } from './undo.ts'
import type { BlockWish, FileWish, Wish } from './wish.ts'

export type Plan = {
  /** Of the files; the record comes besides. */
  changes: Change[]
  /** What a person did since, and would be lost: nothing is done while there are any. */
  conflicts: Change[]
  /** Sentences for a person. */
  notes: string[]
  /** What is to be recorded; undefined when nothing is installed afterwards. */
  record: Installed | undefined
}

/** One step: what is there then, and what is to be remembered of it. */
export type Step = {
  state: State | undefined
  entry?: Entry | undefined
  /** What a person changed is lost by it. */
  conflict?: boolean
  note?: string
}

/** About the whole installation, for its record. */
export type About = Pick<Installed, 'host' | 'installed' | 'parts' | 'settings'>

/** Conflicts are changes when `force` says so. Throws `conflict` and `not_found` where a block has no place. */
export function planInstall(
  wishes: readonly Wish[],
  about: About,
  seen: Seen,
  record: Installed | undefined,
  { owners, force }: { owners: Owners; force: boolean },
): Plan {
  const wished = new Set(wishes.map(keyOf))
  const known = new Map(record?.entries.map((entry) => [keyOf(entry), entry]))
  const work = new Work(seen, force)
  for (const entry of (record?.entries ?? []).toReversed())
    if (!wished.has(keyOf(entry))) work.do(entry.path, (state) => undo(state, entry))
  const entries: Entry[] = []
  for (const wish of wishes) {
    const entry = known.get(keyOf(wish))
    const done = work.do(wish.path, (state) =>
      wish.kind === 'file'
        ? putFile(state, wish, entry?.kind === 'file' ? entry : undefined, owners)
        : putFragment(state, wish, entry?.kind === 'block' ? entry : undefined),
    )
    if (done.entry) entries.push(done.entry)
  }
  return work.plan({ version: 1, ...about, folders: record?.folders ?? [], entries })
}

export function planRemove(record: Installed, seen: Seen, { force }: { force: boolean }): Plan {
  const work = new Work(seen, force)
  for (const entry of record.entries.toReversed())
    work.do(entry.path, (state) => undo(state, entry, force))
  return work.plan(undefined)
}

function undo(state: State | undefined, entry: Entry, force = false): Step {
  return entry.kind === 'file' ? undoFile(state, entry, force) : undoBlock(state, entry)
}

/** Steps on the same path follow each other; what counts in the end is the first state and the last. */
class Work {
  readonly #seen: Seen
  readonly #force: boolean
  readonly #now = new Map<string, State | undefined>()
  readonly #conflicts: Change[] = []
  readonly #notes: string[] = []

  constructor(seen: Seen, force: boolean) {
    this.#seen = seen
    this.#force = force
  }

  do(path: string, act: (state: State | undefined) => Step): Step {
    const before = this.#now.has(path) ? this.#now.get(path) : this.#seen.states.get(path)
    const step = at(path, () => act(before))
    if (step.note !== undefined) this.#notes.push(`${path} ${step.note}`)
    if (step.conflict && !this.#force) this.#conflicts.push({ path, before, after: step.state })
    else this.#now.set(path, step.state)
    return step
  }

  plan(record: Installed | undefined): Plan {
    const changes = [...this.#now]
      .map(([path, after]) => ({ path, before: this.#seen.states.get(path), after }))
      .filter(({ before, after }) => !sameState(before, after))
    return { changes, conflicts: this.#conflicts, notes: this.#notes, record }
  }
}

function putFile(
  state: State | undefined,
  wish: FileWish,
  entry: FileEntry | undefined,
  owners: Owners,
): Step {
  if (wish.keep && state && isPersons(state, wish.content, entry))
    return { state, entry, note: 'was filled in by a person and stays as it is' }
  const { uid = state?.uid, gid = state?.gid } = owners(wish)
  const { path, content, mode, keep } = wish
  const former = entry ? entry.former : state ? keepState(state) : null
  return {
    state: { content, mode, uid, gid },
    entry: { kind: 'file', path, keep, former, ours: [digestOf(content)] },
    conflict: entry !== undefined && state !== undefined && isPersons(state, content, entry),
  }
}

/** Neither ours, nor what was there before us, nor what we would write. */
function isPersons(state: State, content: Buffer, entry: FileEntry | undefined): boolean {
  if (state.content.equals(content)) return false
  if (entry === undefined) return true
  const former = formerState(entry.former)
  return !entry.ours.includes(digestOf(state.content)) && !sameContent(state, former)
}

const madeMode = 0o644

function putFragment(
  state: State | undefined,
  wish: BlockWish,
  entry: BlockEntry | undefined,
): Step {
  const { path, mark, comment, before, content } = wish
  if (state === undefined && before !== undefined) throw noFile()
  const text = state?.content.toString('latin1') ?? ''
  const found = findBlock(text, comment, mark)
  const block = printBlock(comment, mark, content)
  const put = putBlock(text, found, block, before)
  const theirs = entry !== undefined && found !== undefined && found.text !== block
  const keptLead = found ? entry?.lead : undefined
  const owner = { mode: madeMode, uid: undefined, gid: undefined, ...state }
  return {
    state: { ...owner, content: Buffer.from(put.text, 'latin1') },
    entry: {
      kind: 'block',
      path,
      mark,
      comment,
      ...(before === undefined ? {} : { before }),
      made: entry?.made ?? state === undefined,
      lead: keptLead ?? lineEndOf(put.lead),
      ours: [digestOf(block)],
    },
    conflict: theirs && !entry.ours.includes(digestOf(found.text)),
  }
}

function lineEndOf(lead: string): BlockEntry['lead'] {
  return lead === '' || lead === '\n' ? lead : '\r\n'
}

function noFile(): Problem {
  return new Problem('not_found', 'there is no such file to put a block into', {
    remedy: 'install it where the product itself is, or name its root with --dest',
  })
}

/** A problem of one path says of which. */
function at<Value>(path: string, act: () => Value): Value {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { code, message, remedy } = error
    throw new Problem(code, `${path}: ${message}`, {
      ...(remedy === undefined ? {} : { remedy }),
      cause: error,
    })
  }
}
