/** Writes below one root. A file is there whole with its mode and owner, or not at all, whatever fails when. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { diskProblem, errorCode } from './disk-problem.ts'
import type { State } from './state.ts'

/** Paths begin with a slash, which stands for the root. Throws `no_privilege` and `conflict`. */
export type Disk = {
  makeFolder(path: string, mode: number): void
  /** Only when it is empty; one that is gone is no mistake. */
  removeFolder(path: string): void
  put(path: string, state: State): void
  remove(path: string): void
  /** Whether something in this folder could be made and replaced. */
  checkFolder(path: string): void
}

export function openDisk(root: string): Disk {
  const at = <Rest extends unknown[]>(act: (place: string, ...rest: Rest) => void) => {
    return (path: string, ...rest: Rest) => {
      const place = join(root, path)
      try {
        act(place, ...rest)
      } catch (error) {
        throw diskProblem(error, 'write', place)
      }
    }
  }
  return {
    makeFolder: at(makeFolder),
    removeFolder: at(removeFolder),
    put: at(put),
    remove: at(remove),
    checkFolder: at((place) => accessSync(place, constants.W_OK | constants.X_OK)),
  }
}

function makeFolder(place: string, mode: number): void {
  mkdirSync(place)
  chmodSync(place, mode)
  syncFolder(dirname(place))
}

function removeFolder(place: string): void {
  try {
    rmdirSync(place)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(errorCode(error) ?? '')) throw error
  }
}

/** In the same folder, so that the name changes in one step, and readable by nobody else until it is right. */
function put(place: string, state: State): void {
  const draft = draftBeside(place)
  rmSync(draft, { force: true })
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
  const file = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    try {
      fill(file, state)
    } finally {
      closeSync(file)
    }
    renameSync(draft, place)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncFolder(dirname(place))
}

function fill(file: number, { content, mode, uid, gid }: State): void {
  writeFileSync(file, content)
  const is = fstatSync(file)
  const [owner, group] = [uid ?? is.uid, gid ?? is.gid]
  if (owner !== is.uid || group !== is.gid) fchownSync(file, owner, group)
  fchmodSync(file, mode)
  fsyncSync(file)
}

function remove(place: string): void {
  rmSync(draftBeside(place), { force: true })
  unlinkSync(place)
  syncFolder(dirname(place))
}

/** Always the same name, so that one whose process was killed does not stay: under the lock nobody else is at work. */
function draftBeside(place: string): string {
  return join(dirname(place), '.cordon-manifest-draft')
}

function syncFolder(place: string): void {
  const folder = openSync(place, constants.O_RDONLY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
