/** What the file system refused, as a Problem with what to do about it. */
import { Problem } from '#contract/problem.ts'

export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

export function diskProblem(error: unknown, verb: 'read' | 'write', place: string): Problem {
  if (error instanceof Problem) return error
  const code = errorCode(error)
  const message = `cannot ${verb} ${place}${code === undefined ? '' : ` (${code})`}`
  if (code === 'EACCES' || code === 'EPERM')
    return new Problem('no_privilege', message, {
      remedy: 'run it as root: sudo cordon manifest …',
      cause: error,
    })
  return new Problem('conflict', message, { remedy: remedies[code ?? ''] ?? other, cause: error })
}

const other = 'look at this place on the disk, then run it again'
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on this disk, then run it again',
  EDQUOT: 'make room on this disk, then run it again',
  EROFS: 'this disk is mounted read-only: mount it for writing, or name another --dest',
  ENAMETOOLONG: 'the path is longer than this disk takes: name a shorter --dest',
  ENOTDIR: 'something on the way there is no folder: move it away, or name another --dest',
}
