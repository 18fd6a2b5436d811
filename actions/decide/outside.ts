/** What sources outside of the store say of an attacker: databases of places, lists, providers of intelligence. */

export type Outside = {
  place: PlaceFact
  /** Lists that hold the attacker, and whole networks of it, by name. */
  lists: readonly string[]
  /** Databases and lists that answered: only what one of these says "no" to is really not so. The same array until it changes. */
  ready: readonly string[]
  /** Why a local source did not answer, by name. */
  silent: Readonly<Record<string, string>>
  /** By provider; who is missing here and is among `askable` was not asked yet. */
  intelligence: Readonly<Record<string, IntelligenceFact>>
  /** Providers that can be asked. */
  askable: readonly string[]
}

/** Empty text and 0 for what is not known. */
export type PlaceFact = {
  /** ISO 3166-1 alpha-2. */
  country: string
  city: string
  asn: number
  as_owner: string
  /** `vpn`, `tor`, `hosting`, `proxy`. */
  anonymous: readonly string[]
}

export type IntelligenceFact =
  | {
      state: 'answered'
      verdict: 'malicious' | 'suspicious' | 'benign' | 'unknown'
      score: number
      trusted: boolean
      tags: readonly string[]
      summary: string
      ageMs: number
    }
  | { state: 'silent'; problem: string }

/** Databases of places; their names are taken and no list or provider may have one. */
export const placeSources = ['country', 'city', 'asn', 'anonymous'] as const
export type PlaceSource = (typeof placeSources)[number]

export const nowhere: PlaceFact = { country: '', city: '', asn: 0, as_owner: '', anonymous: [] }

/** Nobody was asked and nobody can be. */
export const nothingOutside: Outside = {
  place: nowhere,
  lists: [],
  ready: [],
  silent: {},
  intelligence: {},
  askable: [],
}

/**
 * What it means that a source is silent: `open` judges as if it knew nothing, `closed` as if it had said the worst,
 * `review` leaves the question to a person wherever the answer would matter.
 */
export const failModes = ['open', 'closed', 'review'] as const
export type FailMode = (typeof failModes)[number]
