/** What a path holds: a regular file with its bytes, mode and owner, or nothing. */
import { createHash } from 'node:crypto'

export type State = {
  content: Buffer
  /** Permission bits. */
  mode: number
  /** Undefined leaves it to whoever writes the file. */
  uid: number | undefined
  gid: number | undefined
}

/** Paths begin with a slash and are below the root of the installation. Undefined: nothing is there. */
export type Change = { path: string; before: State | undefined; after: State | undefined }

/** What was there when it was looked at. */
export type Seen = {
  states: ReadonlyMap<string, State | undefined>
  /** Folders that are not there and are needed, outermost first. */
  missing: readonly string[]
}

export function digestOf(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** An owner that is left open agrees with every owner. */
export function sameState(a: State | undefined, b: State | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.mode === b.mode && agree(a.uid, b.uid) && agree(a.gid, b.gid) && sameContent(a, b)
}

export function sameContent(a: State | undefined, b: State | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.content.equals(b.content)
}

function agree(a: number | undefined, b: number | undefined): boolean {
  return a === undefined || b === undefined || a === b
}
