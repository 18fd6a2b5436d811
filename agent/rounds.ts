/** What an agent does by the clock, whether or not anything happens. */
import type { Parts } from './parts.ts'

const lookAgainMs = 30_000

/** Returns the way to stop. */
export function beginRounds({ courses, hits }: Parts, heartbeatMs: number): () => void {
  const timers = [
    setInterval(courses.look, lookAgainMs).unref(),
    setInterval(courses.tell, heartbeatMs).unref(),
  ]
  hits.begin()
  return () => {
    for (const timer of timers) clearInterval(timer)
  }
}
