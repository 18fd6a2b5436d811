/** Facts of a service that has no source outside of its store. */
import { nothingOutside } from '../actions/decide/outside.ts'
import type { FactSources } from '../actions/facts/sources.ts'

/** A service without any source. */
export const noSources: FactSources = {
  of: () => nothingOutside,
  ask: async (_, providers) =>
    Object.fromEntries(
      providers.map((name) => [name, { state: 'silent', problem: 'no provider runs here' }]),
    ),
  look: async () => {},
  states: () => [],
}
