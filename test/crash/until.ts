/** Waiting for what a test expects, with a deadline and the reason when it does not come. */
import { setTimeout as pause } from 'node:timers/promises'

/** Looks again and again until `wrong` finds nothing; fails with what it found last. */
export async function until(
  what: string,
  wrong: () => Promise<string | undefined | false>,
  withinMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await wrong()
    if (found === undefined || found === false) return
    if (performance.now() > deadline) throw new Error(`not in time: ${what}: ${found}`)
    await pause(20)
  }
}
