/** Places, lists and providers as one: what the flow asks, and what people see. */
import type { Address } from '#contract/address.ts'
import { type IntelligenceFact, type Outside, placeSources } from '../decide/outside.ts'
import type { Lists } from './lists/lists.ts'
import type { Places } from './places/places.ts'
import type { ProviderAnswer } from './providers/provider.ts'
import type { Providers } from './providers/providers.ts'
import type { SourceState } from './source.ts'
import type { FactSources } from './sources.ts'

export type OpenedSources = FactSources & {
  close(): Promise<void>
}

type Parts = { places: Places; lists: Lists; providers: Providers }

export function openSources({ places, lists, providers }: Parts): OpenedSources {
  const askable = providers.sources().map(({ name }) => name)
  const local = openLocal({ places, lists })
  const stopLists = lists.start()
  return {
    of: (attacker) => ({ ...local(attacker), askable }),
    ask: async (attacker, names, budgetMs) => {
      const answers = await providers.ask(attacker, names, budgetMs)
      return Object.fromEntries([...answers].map(([name, answer]) => [name, toFact(answer)]))
    },
    states: () => [...places.sources(), ...lists.sources(), ...providers.sources()],
    look: () => places.look(),
    close: async () => {
      places.close()
      await stopLists()
      await providers.close()
    },
  }
}

type Local = Pick<Outside, 'place' | 'lists' | 'ready' | 'silent'>

/** Who is ready changes rarely and comes with every alert, so it is kept until it does. Why others are not is asked anew. */
function openLocal({ places, lists }: Omit<Parts, 'providers'>): (attacker: Address) => Local {
  const names = lists.settings().map(({ name }) => name)
  const states = () => [...places.sources(), ...lists.sources()]
  const all = states().length
  let kept: { key: string; ready: string[] } | undefined
  return (attacker) => {
    const { ready: databases, ...place } = places.of(attacker)
    const ready = [
      ...placeSources.filter((name) => databases[name]),
      ...names.filter((name) => lists.ready(name)),
    ]
    const key = ready.join(' ')
    if (kept?.key !== key) kept = { key, ready }
    const silent = ready.length < all ? silentAmong(states()) : nobody
    return { place, lists: lists.namesOf(attacker), ready: kept.ready, silent }
  }
}

const nobody = {}

/** Also who is ready but damaged, for the address that is just there. */
function silentAmong(states: readonly SourceState[]): Record<string, string> {
  const silent = states.filter(({ state, problem }) => state === 'silent' || problem)
  return Object.fromEntries(
    silent.map(({ name, problem }) => [name, problem?.detail ?? 'it was not read yet']),
  )
}

/** What a provider said long ago and cannot say anew is still what it said, with its age. */
function toFact(answer: ProviderAnswer): IntelligenceFact {
  if (answer.state === 'silent') return { state: 'silent', problem: answer.problem.detail }
  const { verdict, score, trusted, tags, summary } = answer.intelligence
  return { state: 'answered', verdict, score, trusted, tags, summary, ageMs: answer.ageMs }
}
