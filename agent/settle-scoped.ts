/**
 * Which of the orders that are more than a plain block the kernel holds: all but those that it refuses by themselves,
 * which are found by halves, left out, and tried again when asked. What it took once stays while that is done.
 */
import { Problem, toProblem } from '#contract/problem.ts'
import type { Firewall, ScopedElement } from './kernel/firewall.ts'
import type { Recorder } from './record.ts'
import { identityOf } from './scope.ts'
import type { Claim, Wished } from './wished.ts'

/** `go`: plain blocks wait that long. `search`: enough to find one of ten thousand, and some more. */
const mostTries = { go: 4, search: 40 }

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
  /** Of a search that is not over; and how many tries it has had. */
  #open: Piece[] = []
  #searched: ReadonlySet<Claim> = new Set()
  #tries = 0
  /** The kernel's last. */
  #words: Problem | undefined

  constructor(on: SettleScopedOn) {
    this.#on = on
  }

  /** Why the kernel does not hold all of them. */
  get problem(): Problem | undefined {
    if (this.#failing) return this.#failing
    for (const problem of this.#out.values()) return problem
    return this.searching ? this.#words : undefined
  }

  /** It is still being found out which are refused: more is to be tried at once, after what else waits. */
  get searching(): boolean {
    return this.#open.length > 0
  }

  /** Nothing can be said of it yet. */
  isOpen(claim: Claim): boolean {
    return this.#searched.has(claim)
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
    this.#open = []
  }

  /** What was refused before rests, unless it is to be tried `again`. Never throws. */
  async bring(again: boolean): Promise<void> {
    const { wished } = this.#on
    const isWished = (claim: Claim) => wished.get(claim.audience, claim.decision) === claim
    this.#out = new Map([...this.#out].filter(([claim]) => isWished(claim)))
    this.#open = this.#open.flatMap(({ claims, refused }): Piece[] => {
      const left = claims.filter(isWished)
      // Those that are left may have been refused for the sake of one that is not.
      return left.length === 0
        ? []
        : [{ claims: left, refused: left.length < claims.length ? undefined : refused }]
    })
    const parts = wished.scopes.elements().map((element): Part => {
      const claims = wished.scopes.claimsOf(element)
      return { element, identity: identityOf(element), claims }
    })
    if (!this.#taken) await this.#resume(parts)
    const before = [...this.#out.keys()]
    this.#failing = await this.#go(parts, again && !this.searching)
    if (this.#failing) this.#open = []
    else this.#forget(parts)
    this.#gained = before.some((claim) => !this.#out.has(claim))
    this.#searched = new Set(this.#open.flatMap(({ claims }) => claims))
    this.#remember()
  }

  /** Why nothing at all can be said of any. */
  async #go(parts: readonly Part[], again: boolean): Promise<Problem | undefined> {
    const open = new Set(this.#open.flatMap(({ claims }) => claims))
    const claims = this.#missing(parts).filter(
      (claim) => !open.has(claim) && (again || !this.#out.has(claim)),
    )
    if (open.size === 0) {
      const refused = await this.#try(parts, claims)
      if (!refused) return undefined
      if (!this.#taken || claims.length === 0) return refused
      const failing = await this.#try(parts, [])
      if (failing) return failing
      this.#open = [{ claims, refused }]
      this.#tries = 0
    } else if (claims.length > 0) this.#open.push({ claims, refused: undefined })
    // A refusal may have left a part of what it was about, and keeps in what was lifted.
    const refused = await this.#halve(parts)
    return refused ? this.#try(parts, []) : undefined
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
    const out = [...this.#out.keys(), ...this.#searched]
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

  /** Takes in what can be. Whether what it ended with was refused. */
  async #halve(parts: readonly Part[]): Promise<boolean> {
    let last = true
    for (let tries = 0; tries < mostTries.go && this.#tries < mostTries.search; ) {
      const piece = this.#open.shift()
      if (!piece) break
      const { claims, refused } = piece
      const [first] = claims
      if (refused && claims.length === 1 && first) {
        this.#leaveOut(first, refused)
        continue
      }
      const tried = refused ? claims.slice(0, Math.ceil(claims.length / 2)) : claims
      const rest = claims.slice(tried.length)
      tries++
      this.#tries++
      const problem = await this.#try(parts, tried)
      last = problem !== undefined
      // Where one half is taken it was the other that was refused.
      if (rest.length > 0)
        this.#open.unshift({ claims: rest, refused: problem ? undefined : refused })
      if (problem) this.#open.unshift({ claims: tried, refused: problem })
    }
    if (this.#tries >= mostTries.search) this.#giveUp()
    return last
  }

  /** Those that had no try of their own are the first the next time. */
  #giveUp(): void {
    const alone = [...this.#out]
    this.#out.clear()
    const words = this.#words
    for (const { claims, refused = words } of this.#open)
      for (const claim of claims) if (refused) this.#leaveOut(claim, refused)
    for (const [claim, problem] of alone) if (!this.#out.has(claim)) this.#out.set(claim, problem)
    this.#open = []
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
      this.#words = toProblem(error)
      return this.#words
    }
    this.#taken = new Set(some.map(({ identity }) => identity))
    return undefined
  }
}

function refusedBefore(): Problem {
  return new Problem('kernel_refused', 'the kernel refused it before the restart')
}
