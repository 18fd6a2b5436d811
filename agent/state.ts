/** Files of the state folder, written whole or not at all, and readable by their owner only. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { Problem } from '#contract/problem.ts'

/** Undefined when there is no such file. Throws `setting_invalid` when there is one that cannot be read. */
export function readState(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Problem('setting_invalid', `cannot read ${path}`, {
      remedy: 'run the agent as the user who owns the state folder',
      cause: error,
    })
  }
}

/**
 * By rename, after the bytes are on the disk: a crash leaves the old file or the new one. Throws `setting_invalid` for a
 * folder that cannot be, `store_unavailable` with what the disk says.
 */
export function writeState(path: string, pieces: Iterable<string>): void {
  makeFolder(dirname(path))
  const written = `${path}.new`
  try {
    writeWhole(openSync(written, 'w', 0o600), pieces)
    renameSync(written, path)
    syncFolder(dirname(path))
  } catch (error) {
    // What a full disk took of it would keep the disk full.
    rmSync(written, { force: true })
    throw refusedByDisk(error)
  }
}

/** What the disk says, as `store_unavailable`. */
export function refusedByDisk(error: unknown): Problem {
  if (error instanceof Problem) return error
  const why = error instanceof Error ? error.message : String(error)
  return new Problem(
    'store_unavailable',
    `the state folder does not take what is to be kept: ${why}`,
    {
      remedy:
        'free space on its disk, or make it writable; everything is enforced, and written when it can be',
      cause: error,
    },
  )
}

/** All of it is on the disk, or an error is thrown. The file is closed in any case. */
function writeWhole(file: number, pieces: Iterable<string>): void {
  try {
    for (const piece of pieces) writeFileSync(file, piece)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Problem('setting_invalid', `cannot make the state folder ${folder}`, {
      remedy: 'set CORDON_AGENT_STATE_DIR to a folder that this user may write',
      cause: error,
    })
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
