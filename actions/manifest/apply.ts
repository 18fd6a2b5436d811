/** Carries changes out in order, and takes all of them back when one fails. */
import type { Disk } from './disk.ts'
import type { Change } from './state.ts'

const folderMode = 0o755

export type Failure = {
  /** Why it ended. */
  error: unknown
  /** What could not be taken back. */
  left: string[]
}

/** `folders` are made first, outermost first. Undefined when everything is done; otherwise nothing is but for what is left. */
export function apply(
  folders: readonly string[],
  changes: readonly Change[],
  disk: Disk,
): Failure | undefined {
  const done: (() => void)[] = []
  const paths: string[] = []
  try {
    for (const folder of folders) {
      disk.makeFolder(folder, folderMode)
      done.push(() => disk.removeFolder(folder))
      paths.push(folder)
    }
    for (const { path, before, after } of changes) {
      turn(disk, path, after)
      done.push(() => turn(disk, path, before))
      paths.push(path)
    }
    return undefined
  } catch (error) {
    return { error, left: takeBack(done, paths) }
  }
}

function turn(disk: Disk, path: string, state: Change['after']): void {
  if (state === undefined) disk.remove(path)
  else disk.put(path, state)
}

/** Each is tried, whatever became of the others. */
function takeBack(done: readonly (() => void)[], paths: readonly string[]): string[] {
  const left: string[] = []
  for (const [at, undo] of [...done.entries()].reverse())
    try {
      undo()
    } catch {
      left.push(paths[at] ?? '')
    }
  return left
}
