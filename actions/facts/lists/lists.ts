/** All lists of addresses: which of them hold an address, and what each of them is made of. */
import type { Address } from '#contract/address.ts'
import { nearest, Problem } from '#contract/problem.ts'
import type { SourceState } from '../source.ts'
import { List, type ListParts } from './list.ts'
import { parseFile } from './parse-file.ts'
import { holds, networksOf } from './ranges.ts'
import type { ListSettings, ListsSettings } from './settings.ts'
import { showList } from './show-list.ts'

export type Lists = {
  /** Lists that are ready and hold the whole host or network, in the order of the settings. */
  namesOf(address: Address): string[]
  /** Only a list that is ready says that an address is not on it. False for a list that there is not. */
  ready(name: string): boolean
  sources(): SourceState[]
  settings(): readonly ListSettings[]
  /**
   * The networks in force, apart, canonical and in order, made one by one; none of a list that is not ready.
   * Throws `not_found`.
   */
  entries(name: string): Iterable<Address>
  /** Called with the name whenever what is in force changed. Returns how to stop that. */
  onChange(listener: (name: string) => void): () => void
  /** Reads copies and asks for what is due; for a clock. Never rejects. */
  look(): Promise<void>
  /** Asks for one list now; `sources` says how it went. Rejects with `not_found` only. */
  refresh(name: string): Promise<void>
  /** Looks now and every second. Returns how to stop: it ends what is under way. */
  start(): () => Promise<void>
}

/** Returns at once. Nothing is read before the first look, and until then the lists are silent. */
export function openLists(
  settings: ListsSettings,
  deps: Pick<ListParts, 'now' | 'random' | 'fetch' | 'dir' | 'log' | 'protectedNetworks'> & {
    timeoutMs?: number
  },
): Lists {
  const ending = new AbortController()
  const listeners = new Set<(name: string) => void>()
  const parts: ListParts = {
    timeoutMs: 120_000,
    ...deps,
    parse: oneByOne(parseFile),
    signal: ending.signal,
    changed: (name) => {
      for (const listener of listeners) listener(name)
    },
  }
  const lists = settings.map((list) => new List(list, parts))
  const find = (name: string) => {
    const list = lists.find((one) => one.settings.name === name)
    if (!list) throw noList(name, settings)
    return list
  }
  const look = async () => {
    await Promise.all(lists.map((list) => list.look()))
  }
  return {
    namesOf: (address) =>
      lists
        .filter(({ inForce }) => inForce && holds(inForce.read.ranges, address))
        .map((list) => list.settings.name),
    ready: (name) => lists.some((list) => list.settings.name === name && list.inForce),
    sources: () => lists.map((list) => showList(list, parts.now())),
    settings: () => settings,
    entries: (name) => {
      const { inForce } = find(name)
      return inForce ? networksOf(inForce.read.ranges) : []
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    look,
    refresh: async (name) => find(name).refresh(),
    start: () => {
      if (lists.length === 0) return async () => {}
      let looking = look()
      const clock = setInterval(() => {
        looking = look()
      }, 1_000)
      return async () => {
        clearInterval(clock)
        ending.abort()
        await looking
      }
    },
  }
}

/** Large lists want memory and a core while they are read: one at a time. */
function oneByOne<Given extends unknown[], Result>(
  work: (...given: Given) => Promise<Result>,
): (...given: Given) => Promise<Result> {
  let before: Promise<unknown> = Promise.resolve()
  return (...given) => {
    const result = before.then(() => work(...given))
    before = result.catch(() => undefined)
    return result
  }
}

function noList(name: string, settings: ListsSettings): Problem {
  const names = settings.map((list) => list.name)
  const guess = nearest(name, names)
  return new Problem('not_found', `there is no list ${name}`, {
    remedy: guess ? `did you mean ${guess}?` : `there are ${names.join(', ') || 'none'}`,
  })
}
