/** Many who want to know at the same time become one question: an idle provider is asked at once, the rest meanwhile gathers. */
import type { Intelligence } from '#contract/intelligence.ts'
import { Problem, toProblem } from '#contract/problem.ts'

export type GatherParts = {
  /** Addresses in one question that is also about this one. */
  most(address: string): number
  mostWaiting: number
  /** One question. Of whom the answer leaves out nothing is known. */
  ask(addresses: readonly string[]): Promise<ReadonlyMap<string, Intelligence>>
  /** Nothing was said of this one although it was asked about alone. */
  silent(address: string): Problem
}

type Waiting = {
  address: string
  /** It is asked about together with so many others at most, less after an answer that was not whole. */
  most: number
  resolve(said: Intelligence): void
  reject(problem: Problem): void
}

/** Rejects with what was wrong with the question, and `overloaded` when too many wait. */
export function openGathering(parts: GatherParts): (address: string) => Promise<Intelligence> {
  const waiting: Waiting[] = []
  let underWay = false

  const next = (): Waiting[] => {
    let size = 0
    let most = Number.POSITIVE_INFINITY
    for (const one of waiting) {
      most = Math.min(most, one.most)
      if (size >= most) break
      size++
    }
    return waiting.splice(0, size)
  }
  const settle = (asked: readonly Waiting[], said: ReadonlyMap<string, Intelligence>) => {
    const left: Waiting[] = []
    for (const one of asked) {
      const intelligence = said.get(one.address)
      if (intelligence) one.resolve(intelligence)
      else if (asked.length === 1) one.reject(parts.silent(one.address))
      else left.push({ ...one, most: Math.ceil(asked.length / 2) })
    }
    waiting.unshift(...left)
  }
  const run = async () => {
    underWay = true
    while (waiting.length > 0) {
      const asked = next()
      try {
        settle(asked, await parts.ask(asked.map(({ address }) => address)))
      } catch (error) {
        const problem = toProblem(error)
        // One of them may be what is not understood.
        if (problem.code === 'invalid_input' && asked.length > 1) settle(asked, new Map())
        else for (const { reject } of asked) reject(problem)
      }
    }
    underWay = false
  }
  return (address) => {
    const { promise, resolve, reject } = Promise.withResolvers<Intelligence>()
    if (waiting.length >= parts.mostWaiting)
      throw new Problem(
        'overloaded',
        `${waiting.length} addresses wait to be asked about already`,
        {
          remedy: 'ask in fewer rules, or only for the graver alerts',
        },
      )
    waiting.push({ address, most: Math.max(1, parts.most(address)), resolve, reject })
    if (!underWay) void run()
    return promise
  }
}
