/**
 * What this node is to enforce: claims by audience and decision, and per address the latest end of its claims.
 * A change costs the same at any number of claims; the elements are derived, never stored.
 */
import type { Direction } from '#contract/action.ts'
import { type Address, readAddress } from '#contract/address.ts'
import { Ends } from './ends.ts'
import { Nested } from './nested.ts'
import { type Element, isRare, setOf, type Way, ways } from './plan.ts'

/** That an address is blocked until `end` (ms of the service's clock) because of one decision. Never changed. */
export type Claim = {
  readonly audience: string
  readonly decision: string
  readonly target: string
  readonly direction: Direction
  readonly end: number
}

/** Called with an address before anything changes that its elements follow from. */
export type BeforeChange = (address: Address) => void

export class Wished {
  readonly #claims = new Map<string, Map<string, Claim>>()
  /** One claim is the rule, so an array is made only for more. */
  readonly #byTarget = new Map<string, Claim | Claim[]>()
  readonly #rare = new Map<string, Nested>()
  readonly #ends: Ends
  #size = 0

  constructor() {
    this.#ends = new Ends(
      (claim) => this.get(claim.audience, claim.decision) === claim,
      () => this.#size,
    )
  }

  /** Decisions in force, counted once for each audience. */
  get size(): number {
    return this.#size
  }

  get(audience: string, decision: string): Claim | undefined {
    return this.#claims.get(audience)?.get(decision)
  }

  audience(audience: string): IterableIterator<Claim> {
    return (this.#claims.get(audience) ?? new Map<string, Claim>()).values()
  }

  *claims(): Generator<Claim> {
    for (const claims of this.#claims.values()) yield* claims.values()
  }

  /** Every claim that holds this address itself (not a network around it). */
  claimsOn(target: string): readonly Claim[] {
    const found = this.#byTarget.get(target)
    return found === undefined ? [] : Array.isArray(found) ? found : [found]
  }

  nextEnd(): number | undefined {
    return this.#ends.next()
  }

  /** A newer action on the same decision replaces its claim, whatever it said. */
  add(claim: Claim, address: Address, before: BeforeChange): void {
    this.remove(claim.audience, claim.decision, before)
    this.#announce(address, before)
    this.#ofAudience(claim.audience).set(claim.decision, claim)
    const held = this.claimsOn(claim.target)
    this.#byTarget.set(claim.target, held.length === 0 ? claim : [...held, claim])
    this.#size++
    this.#ends.add(claim)
    if (isRare(address)) this.#index(address)
  }

  /** Removes that claim only; what other decisions claim on the address stays. */
  remove(audience: string, decision: string, before: BeforeChange): Claim | undefined {
    const claim = this.get(audience, decision)
    if (!claim) return undefined
    const address = readAddress(claim.target)
    this.#announce(address, before)
    const claims = this.#ofAudience(audience)
    claims.delete(decision)
    if (claims.size === 0) this.#claims.delete(audience)
    this.#unlink(claim)
    this.#size--
    if (isRare(address)) this.#index(address)
    return claim
  }

  /** Removes one claim whose end has come. */
  removeEnded(now: number, before: BeforeChange): Claim | undefined {
    const claim = this.#ends.take(now)
    return claim && this.remove(claim.audience, claim.decision, before)
  }

  /** What is wished for this address: at most one element for each way. */
  elementsOf(address: Address): Element[] {
    const elements: Element[] = []
    if (!this.#byTarget.has(address.text)) return elements
    for (const way of ways) {
      const end = this.#end(address, way)
      if (end > 0) elements.push({ set: setOf(address, way), address, end })
    }
    return elements
  }

  /** Everything that the kernel is to hold. */
  *elements(): Generator<Element> {
    for (const target of this.#byTarget.keys()) yield* this.elementsOf(readAddress(target))
  }

  countElements(): number {
    let count = 0
    for (const found of this.#byTarget.values()) {
      const claims = Array.isArray(found) ? found : [found]
      for (const way of ways) if (claims.some((claim) => goes(claim, way))) count++
    }
    return count - this.#hidden()
  }

  /** The fullest of the interval sets that this address would go to; 0 for the others. */
  rareBeside(address: Address): number {
    if (!isRare(address)) return 0
    return Math.max(...ways.map((way) => this.#rare.get(setOf(address, way))?.size ?? 0))
  }

  #end(address: Address, way: Way): number {
    if (isRare(address) && this.#rare.get(setOf(address, way))?.covered(address)) return 0
    let end = 0
    for (const claim of this.claimsOn(address.text))
      if (goes(claim, way) && claim.end > end) end = claim.end
    return end
  }

  /** A rare network hides or shows those inside it, so they are announced with it. */
  #announce(address: Address, before: BeforeChange): void {
    before(address)
    if (!isRare(address)) return
    for (const way of ways)
      for (const inner of this.#rare.get(setOf(address, way))?.inside(address) ?? []) before(inner)
  }

  #index(address: Address): void {
    const claims = this.claimsOn(address.text)
    for (const way of ways) {
      const set = setOf(address, way)
      const nested = this.#rare.get(set) ?? new Nested()
      this.#rare.set(set, nested)
      if (claims.some((claim) => goes(claim, way))) nested.add(address)
      else nested.delete(address)
    }
  }

  #hidden(): number {
    let hidden = 0
    for (const nested of this.#rare.values()) hidden += nested.countCovered()
    return hidden
  }

  #unlink(claim: Claim): void {
    const left = this.claimsOn(claim.target).filter((other) => other !== claim)
    const [only] = left
    if (!only) this.#byTarget.delete(claim.target)
    else this.#byTarget.set(claim.target, left.length === 1 ? only : left)
  }

  #ofAudience(audience: string): Map<string, Claim> {
    const found = this.#claims.get(audience)
    if (found) return found
    const made = new Map<string, Claim>()
    this.#claims.set(audience, made)
    return made
  }
}

function goes(claim: Claim, way: Way): boolean {
  return claim.direction === way || claim.direction === 'both'
}
