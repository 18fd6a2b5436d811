/** Chances that come again with the same seed (mulberry32). */
export type Chance = {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  of<T>(choices: readonly T[]): T
  /** True once in so many times. */
  once(times: number): boolean
}

export function seeded(seed: number): Chance {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    of: (choices) => {
      const chosen = choices[below(choices.length)]
      if (chosen === undefined) throw new Error('there is nothing to choose from')
      return chosen
    },
    once: (times) => below(times) === 0,
  }
}
