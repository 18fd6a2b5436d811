/**
 * Which of the orders that are more than a plain block the kernel holds: all but those that it refuses by themselves,
 * which are found by halves, left out, and tried again when asked. What it took once stays while that is done.
 */
import { Problem, toProblem } from '#contract/problem.ts'
import type { Firewall, ScopedElement } from './kernel/firewall.ts'
import type { Recorder } from './record.ts'
import { identityOf } from './scope.ts'
import type { Claim, Wished } from './wished.ts'

/** In one go, since plain blocks wait meanwhile: enough to find one of ten thousand, and some more. */
const mostTries = 32

type SettleScopedOn = {
  firewall: Pick<Firewall, 'setScoped'>
  wished: Pick<Wished, 'scopes' | 'get'>
  record: Pick<Recorder, 'leftOut' | 'leaveOut'>
  now(): number
}

/** An element, what it is known by, and the orders of which it is a part. */
type Part = {
  readonly element: ScopedElement
  readonly identity: string
  readonly claims: readonly Claim[]
}

/** `refused`: together, so that there is at least one among them that the kernel does not take. */
type Piece = { readonly claims: readonly Claim[]; readonly refused: Problem | undefined }

export class ScopedSettler {
  readonly #on: SettleScopedOn
  /** What the kernel took last; undefined before, as nothing is known of what an earlier process left there. */
  #taken: ReadonlySet<string> | undefined
  /** What the kernel refuses, in the order in which it is tried again. */
  #out = new Map<Claim, Problem>()
  /** It refuses even what it held, and nothing is known of any of them. */
  #failing: Problem | undefined
  #gained = false

  constructor(on: SettleScopedOn) {
    this.#on = on
  }

  /** Why the kernel does not hold all of them. */
  get problem(): Problem | undefined {
    if (this.#failing) return this.#failing
    for (const problem of this.#out.values()) return problem
    return undefined
  }

  /** Why this one is not certainly held. */
  problemOf(claim: Claim): Problem | undefined {
    return this.#failing ?? this.#out.get(claim)
  }

  /** Those that are left out. */
  get out(): IterableIterator<Claim> {
    return this.#out.keys()
  }

  /** What was lifted is surely out of the kernel. */
  get letsGo(): boolean {
    return this.#failing === undefined
  }

  /** Of those that were refused some were taken the last time. */
  get gained(): boolean {
    return this.#gained
  }

  /** There was no table: nothing is held. */
  empty(): void {
    this.#taken = new Set()
  }

  /** What was refused before rests, unless it is to be tried `again`. Never throws. */
  async bring(again: boolean): Promise<void> {
    const { wished } = this.#on
    const isWished = (claim: Claim) => wished.get(claim.audience, claim.decision) === claim
    this.#out = new Map([...this.#out].filter(([claim]) => isWished(claim)))
    const parts = wished.scopes.elements().map((element): Part => {
      const claims = wished.scopes.claimsOf(element)
      return { element, identity: identityOf(element), claims }
    })
    if (!this.#taken) await this.#resume(parts)
    const before = [...this.#out.keys()]
    const news = this.#missing(parts).filter((claim) => again || !this.#out.has(claim))
    const problem = await this.#try(parts, news)
    this.#failing = problem && (await this.#without(parts, news, problem))
    if (!this.#failing) this.#forget(parts)
    this.#gained = before.some((claim) => !this.#out.has(claim))
    this.#remember()
  }

  /** After a restart: all but what was left out is what the kernel held, if it takes just that. */
  async #resume(parts: readonly Part[]): Promise<void> {
    const { wished, record } = this.#on
    const out = record.leftOut.flatMap(([audience, decision]) => {
      const claim = wished.get(audience, decision)
      return claim?.scoped ? [claim] : []
    })
    if (out.length === 0) return
    for (const claim of out) if (!this.#out.has(claim)) this.#out.set(claim, refusedBefore())
    const held = this.#missing(parts).filter((claim) => !this.#out.has(claim))
    await this.#try(parts, held)
  }

  #remember(): void {
    if (this.#failing) return
    const out = [...this.#out.keys()]
    this.#on.record.leaveOut(out.map(({ audience, decision }) => [audience, decision]))
  }

  /** What is held is refused no longer, by whatever order it came. */
  #forget(parts: readonly Part[]): void {
    if (this.#out.size === 0) return
    const missing = new Set(this.#missing(parts))
    this.#out = new Map([...this.#out].filter(([claim]) => missing.has(claim)))
  }

  /** Those of which the kernel does not hold all: the new ones, then those that were refused, longest ago first. */
  #missing(parts: readonly Part[]): Claim[] {
    const missing = parts.filter(({ identity }) => !this.#taken?.has(identity))
    const claims = new Set(missing.flatMap((part) => part.claims))
    const refused = [...this.#out.keys()].filter((claim) => claims.has(claim))
    return [...[...claims].filter((claim) => !this.#out.has(claim)), ...refused]
  }

  /** They were refused together. Why nothing at all can be said of any. */
  async #without(
    parts: readonly Part[],
    news: readonly Claim[],
    problem: Problem,
  ): Promise<Problem | undefined> {
    if (!this.#taken || news.length === 0) return problem
    const failing = await this.#try(parts, [])
    if (failing) return failing
    const refused = await this.#halve(parts, news, problem)
    // A refusal may have left a part of what it was about.
    return refused ? this.#try(parts, []) : undefined
  }

  /** Takes in what can be. Whether the last try was refused. */
  async #halve(parts: readonly Part[], claims: readonly Claim[], whole: Problem): Promise<boolean> {
    const pieces: Piece[] = [{ claims, refused: whole }]
    const alone: Piece[] = []
    let last: Problem | undefined = whole
    let words = whole
    for (let tries = 0; tries < mostTries; ) {
      const piece = pieces.shift()
      if (!piece) break
      const { claims, refused } = piece
      if (refused && claims.length === 1) {
        alone.push(piece)
        continue
      }
      const tried = refused ? claims.slice(0, Math.ceil(claims.length / 2)) : claims
      const rest = claims.slice(tried.length)
      tries++
      last = await this.#try(parts, tried)
      words = last ?? words
      // Where one half is taken it was the other that was refused.
      if (rest.length > 0) pieces.unshift({ claims: rest, refused: last ? undefined : refused })
      if (last) pieces.unshift({ claims: tried, refused: last })
    }
    // Those that had no try of their own are the first the next time.
    for (const { claims, refused } of [...pieces, ...alone])
      for (const claim of claims) this.#leaveOut(claim, refused ?? words)
    return last !== undefined
  }

  #leaveOut(claim: Claim, problem: Problem): void {
    this.#out.delete(claim)
    this.#out.set(claim, problem)
  }

  /** With what the kernel holds already. What it takes it holds from then on. */
  async #try(parts: readonly Part[], more: readonly Claim[]): Promise<Problem | undefined> {
    const { firewall, now } = this.#on
    const tried = new Set(more)
    const some = parts.filter(
      ({ identity, claims }) =>
        this.#taken?.has(identity) || claims.some((claim) => tried.has(claim)),
    )
    try {
      await firewall.setScoped(
        some.map(({ element }) => element),
        now(),
      )
    } catch (error) {
      return toProblem(error)
    }
    this.#taken = new Set(some.map(({ identity }) => identity))
    return undefined
  }
}

function refusedBefore(): Problem {
  return new Problem('kernel_refused', 'the kernel refused it before the restart')
}
