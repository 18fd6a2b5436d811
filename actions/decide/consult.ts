/** Sources as conditions ask them: what a silent one counts as, and which of them had a say. */
import type { FailMode, IntelligenceFact, Outside, PlaceFact, PlaceSource } from './outside.ts'
import type { Reason } from './verdict.ts'

/** Thrown in the middle of a condition. CEL forgets it where the rest of the condition decides without the source. */
export class SilentSource extends Error {
  readonly source: string
  constructor(source: string, problem: string) {
    super(problem)
    this.source = source
  }
}

/** Thrown likewise for a provider that was not asked yet. */
export class NotAsked extends Error {
  readonly provider: string
  constructor(provider: string) {
    super(`${provider} was not asked yet`)
    this.provider = provider
  }
}

export type AnsweredFact = Extract<IntelligenceFact, { state: 'answered' }>

type Rules = {
  fail: (source: string) => FailMode
  /** The signature of the alert where the policy calls that certain: nobody is asked about its attacker. */
  certain: string | undefined
}

const worst: AnsweredFact = {
  state: 'answered',
  verdict: 'malicious',
  score: 100,
  trusted: false,
  tags: [],
  summary: '',
  ageMs: 0,
}
const nothingKnown: AnsweredFact = { ...worst, verdict: 'unknown', score: 0 }

export class Consult {
  readonly #outside: Outside
  readonly #rules: Rules
  readonly #said = new Map<string, Reason>()

  constructor(outside: Outside, rules: Rules) {
    this.#outside = outside
    this.#rules = rules
  }

  /** What the sources that were asked had to say, in the order in which they were asked. */
  reasons(): Reason[] {
    return [...this.#said.values()]
  }

  place<Field extends keyof PlaceFact>(source: PlaceSource, field: Field): PlaceFact[Field] {
    const { place, ready } = this.#outside
    if (ready.includes(source)) {
      const { country, asn, as_owner } = place
      this.#say('place', { code: 'place', country, asn, as_owner })
    } else this.#silence(source)
    return place[field]
  }

  listed(list: string): boolean {
    const { lists, ready } = this.#outside
    if (lists.includes(list)) {
      this.#say(list, { code: 'listed', list })
      return true
    }
    return ready.includes(list) ? false : this.#silence(list) === 'closed'
  }

  intelligence(provider: string): AnsweredFact {
    const { intelligence, askable } = this.#outside
    const fact = intelligence[provider]
    if (fact?.state === 'answered') {
      const { verdict, score, ageMs, summary } = fact
      this.#say(provider, { code: 'intelligence', provider, verdict, score, ageMs, summary })
      return fact
    }
    const signature = this.#rules.certain
    if (fact === undefined && signature !== undefined) {
      this.#say(signature, { code: 'certain', signature })
      return nothingKnown
    }
    if (fact === undefined && askable.includes(provider)) throw new NotAsked(provider)
    return this.#silence(provider, fact?.problem) === 'closed' ? worst : nothingKnown
  }

  /** Returns how to go on: `open` or `closed`. */
  #silence(source: string, known?: string): FailMode {
    const fail = this.#rules.fail(source)
    const problem = known ?? this.#outside.silent[source] ?? 'there is no such source here'
    if (fail === 'review') throw new SilentSource(source, problem)
    this.#say(source, { code: 'source_silent', source, fail, problem })
    return fail
  }

  /** Once: who reads the reasons again finds those that are new since. */
  #say(source: string, reason: Reason): void {
    if (!this.#said.has(source)) this.#said.set(source, reason)
  }
}
