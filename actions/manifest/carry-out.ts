/** Carries out what was shown, under a lock, as a whole or not at all. */
import { posix } from 'node:path'
import { Problem, toProblem } from '#contract/problem.ts'
import { apply, type Failure } from './apply.ts'
import type { Disk } from './disk.ts'
import { holdLock, makeFolders } from './lock.ts'
import { look } from './look.ts'
import type { Prepared } from './prepare.ts'
import { type Change, sameState } from './state.ts'

/** Before anybody is asked: throws `no_privilege` where a folder that is to be written to may not be. */
export function checkFolders({ place, plan, folders }: Prepared, disk: Disk): void {
  const wanted = [...plan.changes.map(({ path }) => path), place.record, ...folders]
  const there = wanted.map((path) => posix.dirname(path)).filter((path) => !folders.includes(path))
  for (const path of new Set(there)) disk.checkFolder(path)
}

/**
 * Does what was shown. `again` prepares anew under the lock. Throws `conflict` when that is no longer the same, and when something
 * fails: then everything is as it was before, or the problem says what is not.
 */
export function carryOut(
  shown: Prepared,
  again: (made: readonly string[]) => Prepared | undefined,
  disk: Disk,
): void {
  const { place } = shown
  const made = look(place.root, [place.lock]).missing
  const unmake = makeFolders(place.root, made, place.machine ? 0o700 : 0o755)
  try {
    const lock = holdLock(posix.join(place.root, place.lock))
    try {
      const prepared = again(made)
      if (prepared === undefined || !sameWork(shown, prepared)) throw changedMeanwhile()
      write(prepared, disk)
    } finally {
      lock.release()
    }
    for (const folder of shown.leftover.toReversed()) disk.removeFolder(folder)
  } finally {
    unmake()
  }
}

/** The record is first and last: in between it says of both what was and what is to be that they are ours. */
function write({ place, plan, folders, record }: Prepared, disk: Disk): void {
  const path = place.record
  const first = { path, before: record.before, after: record.pending }
  const last = { path, before: record.pending, after: record.after }
  const begin = [first].filter(isChange)
  const begun = apply(folders, begin, disk)
  if (begun) throw begun.left.length > 0 ? halfDone(begun) : undone(begun.error)
  const failed = apply([], [...plan.changes, ...[last].filter(isChange)], disk)
  if (failed === undefined) return
  if (failed.left.length > 0) throw halfDone(failed)
  const back = apply([], begin.map(reversed), disk)
  if (back) throw halfDone({ error: failed.error, left: [path] })
  for (const folder of folders.toReversed()) disk.removeFolder(folder)
  throw undone(failed.error)
}

function isChange({ before, after }: Change): boolean {
  return !sameState(before, after)
}

function reversed({ path, before, after }: Change): Change {
  return { path, before: after, after: before }
}

function sameWork(a: Prepared, b: Prepared): boolean {
  const [left, right] = [a.plan.changes, b.plan.changes]
  return (
    b.plan.conflicts.length === 0 &&
    left.length === right.length &&
    left.every((change, at) => sameChange(change, right[at])) &&
    sameState(a.record.before, b.record.before)
  )
}

function sameChange(a: Change, b: Change | undefined): boolean {
  return a.path === b?.path && sameState(a.before, b.before) && sameState(a.after, b.after)
}

function changedMeanwhile(): Problem {
  return new Problem('conflict', 'something changed there since it was shown', {
    remedy: 'run it again, and look at the new diff',
  })
}

function undone(cause: unknown): Problem {
  const { code, message, remedy } = toProblem(cause)
  const said = remedy === undefined ? {} : { remedy }
  return new Problem(code, `${message}; nothing is changed, what was done is undone`, {
    ...said,
    cause,
  })
}

function halfDone({ error, left }: Failure): Problem {
  const { code, message } = toProblem(error)
  return new Problem(code, `${message}; these could not be put back: ${left.join(', ')}`, {
    remedy: 'when the disk takes writes again, cordon manifest remove puts them back',
    cause: error,
  })
}
