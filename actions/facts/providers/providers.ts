/** Asks providers of intelligence within a budget of time; whatever goes wrong is an answer, never an error. */
import type { Address } from '#contract/address.ts'
import type { Lookup } from '#contract/connector.ts'
import { printDuration } from '#contract/duration.ts'
import { nearest, Problem } from '#contract/problem.ts'
import type { SourceState } from '../source.ts'
import { openProvider, type Provider, type ProviderAnswer, type ProviderParts } from './provider.ts'

export type Providers = {
  /**
   * Never rejects, and never takes longer than the budget. A provider that answers later is remembered for the next
   * time. An answer for each name.
   */
  ask(
    address: Address,
    names: readonly string[],
    budgetMs: number,
  ): Promise<Map<string, ProviderAnswer>>
  sources(): SourceState[]
  /** Ends what is on the way; the store may be closed when it has resolved. */
  close(): Promise<void>
}

/** Opening asks nobody, reads nothing and never fails. */
export function openProviders({
  lookups,
  ...parts
}: ProviderParts & { lookups: ReadonlyMap<string, Lookup> }): Providers {
  const providers = new Map(
    [...lookups].map(([name, lookup]) => [name, openProvider(name, lookup, parts)] as const),
  )
  return {
    ask: async (address, names, budgetMs) => {
      const wanted = [...new Set(names)]
      const budget = startBudget(budgetMs)
      const answers = await Promise.all(
        wanted.map((name) => askOne(providers, name, address, budget.late)),
      )
      budget.end()
      return new Map(answers)
    },
    sources: () => [...providers.values()].map(({ state }) => state()),
    close: async () => {
      await Promise.all([...providers.values()].map(({ close }) => close()))
    },
  }
}

async function askOne(
  providers: ReadonlyMap<string, Provider>,
  name: string,
  address: Address,
  late: (name: string) => Promise<never>,
): Promise<readonly [string, ProviderAnswer]> {
  const provider = providers.get(name)
  if (!provider) return [name, { state: 'silent', problem: unknown(name, providers).toJSON() }]
  return [name, await provider.ask(address, () => late(name))]
}

/** One timer for all that are asked together. */
function startBudget(ms: number): { late(name: string): Promise<never>; end(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  return {
    late: async (name) => {
      await promise
      throw new Problem(
        'service_unreachable',
        `${name} has not answered within ${printDuration(ms)}`,
        { remedy: 'it is still waited for, and known for the next alert from this address' },
      )
    },
    end: () => clearTimeout(timer),
  }
}

function unknown(name: string, providers: ReadonlyMap<string, Provider>): Problem {
  const guess = nearest(name, providers.keys())
  return new Problem('not_found', `no provider ${name} runs here`, {
    remedy: guess ? `did you mean ${guess}?` : `add ${name} to connectors in the settings`,
  })
}
