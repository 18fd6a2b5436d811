/** What is to be seen of a thing that soon ends, while it lasts, on a machine of whatever speed. */

/** Kernels count time in ticks of this at most, and may end a thing so much early. */
const tickMs = 10

/**
 * `look` makes what ends after so many milliseconds, and resolves to what it saw of it. Whoever looked too late has seen
 * nothing: it is made again, to last twice as long.
 */
export async function beforeEnd<Seen>(
  ms: number,
  look: (lastsMs: number) => Promise<Seen>,
): Promise<Seen> {
  for (let lasts = ms; lasts <= 64 * ms; lasts *= 2) {
    const began = performance.now()
    const seen = await look(lasts)
    if (performance.now() - began < lasts - tickMs) return seen
  }
  throw new Error(`what lasts ${64 * ms} ms could not be looked at in that time`)
}
