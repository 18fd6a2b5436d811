/** How often a job was tried: one that fails each time must not hold up all behind it for ever. */
import { createHash } from 'node:crypto'

/** With growing pauses between them some five minutes; before each the platform took the registration. */
const mostTries = 10
/** Jobs that are remembered: over the broker there is one at a time. */
const mostJobs = 100

export type Tries = {
  /** Counts a try that failed; whether it shall not be tried again. */
  isLast(job: string): boolean
  forget(job: string): void
}

export function openTries(): Tries {
  const failed = new Map<string, number>()
  const nameOf = (job: string) => createHash('sha256').update(job).digest('base64')
  return {
    isLast: (job) => {
      const name = nameOf(job)
      const tries = (failed.get(name) ?? 0) + 1
      failed.delete(name)
      failed.set(name, tries)
      for (const oldest of failed.keys()) {
        if (failed.size <= mostJobs) break
        failed.delete(oldest)
      }
      return tries >= mostTries
    },
    forget: (job) => void failed.delete(nameOf(job)),
  }
}
