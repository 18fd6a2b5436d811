/** What is at the places that are to be written: never through a link that leads out of the root. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  type Stats,
} from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { diskProblem, errorCode } from './disk-problem.ts'
import type { Seen, State } from './state.ts'

/** What is larger belongs to somebody else: it would have to be kept in the record. */
const largestBytes = 8 * 1_024 * 1_024

/** Throws `conflict` for a target that is a link, a folder or a device, or that leads out of the root, and `no_privilege`. */
export function look(root: string, paths: Iterable<string>): Seen {
  const states = new Map<string, State | undefined>()
  const missing = new Set<string>()
  for (const path of paths) {
    const absent = absentFolders(root, posix.dirname(path))
    for (const folder of absent) missing.add(folder)
    states.set(path, absent.length > 0 ? undefined : readState(join(root, path)))
  }
  return { states, missing: [...missing] }
}

/** Of those on the way to the folder, outermost first; `/` is the root itself. */
function absentFolders(root: string, folder: string): string[] {
  const ways = waysTo(folder)
  const real = realRoot(root)
  if (real === undefined) return ways
  for (const [at, way] of ways.entries()) {
    const place = join(root, way)
    const found = statOf(place)
    if (found === undefined) return ways.slice(at)
    if (found.isSymbolicLink()) checkInside(real, place)
    else if (!found.isDirectory()) throw notAFolder(place)
  }
  return []
}

/** `/a/b` gives `/`, `/a`, `/a/b`. */
function waysTo(folder: string): string[] {
  const steps = folder.split('/').filter(Boolean)
  return ['/', ...steps.map((_, at) => `/${steps.slice(0, at + 1).join('/')}`)]
}

function realRoot(root: string): string | undefined {
  if (statOf(root) !== undefined) {
    const found = followed(root)
    if (found === undefined || !statOf(found)?.isDirectory()) throw notAFolder(root)
    return found
  }
  if (followed(dirname(root)) !== undefined) return undefined
  throw new Problem('not_found', `the folder ${dirname(root)} is not there`, {
    remedy: 'make it first, or name another --dest',
  })
}

function checkInside(real: string, link: string): void {
  const target = followed(link)
  const within = target === real || target?.startsWith(real === sep ? sep : real + sep)
  if (within && target !== undefined && statOf(target)?.isDirectory()) return
  throw new Problem('conflict', `${link} is a link to no folder below ${real}`, {
    remedy: 'nothing is written through it: replace the link by a folder, or name another --dest',
  })
}

function readState(place: string): State | undefined {
  const found = statOf(place)
  if (found === undefined) return undefined
  if (!found.isFile()) throw notAFile(place, found)
  try {
    // Somebody may have put a link there since.
    const file = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return readOpen(file, place)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw diskProblem(error, 'read', place)
  }
}

function readOpen(file: number, place: string): State {
  const stat = fstatSync(file)
  if (!stat.isFile()) throw notAFile(place, stat)
  if (stat.size > largestBytes)
    throw new Problem('too_large', `${place} has ${stat.size} bytes`, {
      remedy: 'look whether this is the right file; it is not touched',
    })
  return { content: readFileSync(file), mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid }
}

function statOf(place: string): Stats | undefined {
  try {
    return lstatSync(place, { throwIfNoEntry: false })
  } catch (error) {
    throw diskProblem(error, 'read', place)
  }
}

function followed(place: string): string | undefined {
  try {
    return realpathSync(place)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw diskProblem(error, 'read', place)
  }
}

function notAFolder(place: string): Problem {
  return new Problem('conflict', `${place} is there and is no folder`, {
    remedy: 'move it away, or name another --dest',
  })
}

function notAFile(place: string, stat: Stats): Problem {
  const what = stat.isSymbolicLink() ? 'a link' : stat.isDirectory() ? 'a folder' : 'no file'
  return new Problem('conflict', `${place} is ${what}, where a file belongs`, {
    remedy: 'move it away; nothing is written through a link',
  })
}
