/**
 * What this node is to enforce: claims by audience and decision, and per address the latest end of its claims.
 * A change costs the same at any number of claims; the elements are derived, never stored.
 */
import type { Direction } from '#contract/action.ts'
import { type Address, readAddress, widen } from '#contract/address.ts'
import { Ends } from './ends.ts'
import type { SetName } from './kernel/firewall.ts'
import { Nested } from './nested.ts'
import { type Element, isRare, setOf, type Way, ways } from './plan.ts'
import type { Scoped } from './scope.ts'
import { type ScopedClaim, type ScopedRoom, Scopes } from './scopes.ts'
import { type Held, latestEnd, listOf, Targets } from './targets.ts'

/** That an order on an address stands until `end` (ms of the service's clock) because of one decision. Never changed. */
export type Claim = {
  readonly audience: string
  readonly decision: string
  readonly target: string
  readonly direction: Direction
  readonly end: number
  /** What it is beyond a plain block. */
  readonly scoped?: Scoped | undefined
}

/** Called with an address before anything changes that its elements follow from. */
export type BeforeChange = (address: Address) => void

export class Wished {
  readonly #claims = new Map<string, Map<string, Claim>>()
  readonly #targets = new Targets()
  readonly #rare = new Map<SetName, Nested>()
  readonly #scopes = new Scopes()
  /** How many plain claims have a target of each prefix length. */
  readonly #lengths = { 4: new Map<number, number>(), 6: new Map<number, number>() }
  readonly #ends: Ends
  #size = 0
  /** Elements of plain blocks that are not rare: each heartbeat tells it, so it is never counted out of a million. */
  #plain = 0
  /** A whole state that is being taken: how many claims its audience will have. */
  #promised: { audience: string; claims: number } | undefined

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

  /** As `size`, once the whole state that is being taken is there. */
  get committed(): number {
    if (!this.#promised) return this.#size
    const { audience, claims } = this.#promised
    return this.#size - this.sizeOf(audience) + claims
  }

  sizeOf(audience: string): number {
    return this.#claims.get(audience)?.size ?? 0
  }

  /** The audience is about to have this many claims, for which there must be room beside what comes meanwhile. */
  promise(audience: string, claims: number): void {
    this.#promised = { audience, claims }
  }

  /** The whole state is there. */
  fulfil(): void {
    this.#promised = undefined
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

  /** Every plain claim whose target is around the address, or the address itself. */
  *claimsAround(address: Address): Generator<Claim> {
    for (const length of this.#lengths[address.family].keys()) {
      if (length > address.prefix) continue
      yield* listOf(this.#targets.on(widen(address, length)))
    }
  }

  /** What is wished beyond plain blocks. */
  get scopes(): Pick<Scopes, 'version' | 'size' | 'elements' | 'claimsOf' | 'naming'> {
    return this.#scopes
  }

  /** What there would be beyond plain blocks with this one; undefined for a plain one. */
  scopedWith(claim: Claim, address: Address): ScopedRoom | undefined {
    return isScoped(claim) ? this.#scopes.roomWith(claim, address) : undefined
  }

  nextEnd(): number | undefined {
    return this.#ends.next()
  }

  /** A newer action on the same decision replaces its claim, whatever it said. */
  add(claim: Claim, address: Address, before: BeforeChange): void {
    this.remove(claim.audience, claim.decision, before)
    if (isScoped(claim)) this.#scopes.add(claim, address)
    else this.#announce(address, before)
    this.#ofAudience(claim.audience).set(claim.decision, claim)
    this.#size++
    this.#ends.add(claim)
    if (isScoped(claim)) return
    this.#count(address, 1)
    const held = this.#targets.on(address)
    const now = this.#targets.add(claim, address)
    if (isRare(address)) this.#index(address)
    else this.#plain += countWays(now) - countWays(held)
  }

  /** Removes that claim only; what other decisions claim on the address stays. */
  remove(audience: string, decision: string, before: BeforeChange): Claim | undefined {
    const claim = this.get(audience, decision)
    if (!claim) return undefined
    const address = readAddress(claim.target)
    if (!isScoped(claim)) this.#announce(address, before)
    const claims = this.#ofAudience(audience)
    claims.delete(decision)
    if (claims.size === 0) this.#claims.delete(audience)
    this.#size--
    if (isScoped(claim)) {
      this.#scopes.remove(claim)
      return claim
    }
    this.#count(address, -1)
    const held = this.#targets.on(address)
    const left = this.#targets.remove(claim, address)
    if (isRare(address)) this.#index(address)
    else this.#plain += countWays(left) - countWays(held)
    return claim
  }

  /** Removes one claim whose end has come. */
  removeEnded(now: number, before: BeforeChange): Claim | undefined {
    const claim = this.#ends.take(now)
    return claim && this.remove(claim.audience, claim.decision, before)
  }

  /**
   * What is wished for this address: at most one element for each way, but for a network of a rare length the pieces
   * of it that no longer-lasting one inside it takes.
   */
  elementsOf(address: Address): readonly Element[] {
    const held = this.#targets.on(address)
    if (held === undefined) return []
    if (isRare(address)) return ways.flatMap((way) => this.#pieces(address, way))
    const into = elementOf(held, address, 'in')
    const out = elementOf(held, address, 'out')
    if (into && out) return [into, out]
    return into ? [into] : out ? [out] : []
  }

  #pieces(address: Address, way: Way): Element[] {
    const set = setOf(address, way)
    return this.#nested(set)
      .pieces(address)
      .map((piece) => ({ set, ...piece }))
  }

  /** Everything that the kernel is to hold of plain blocks. */
  *elements(): Generator<Element> {
    for (const target of this.#targets.texts()) yield* this.elementsOf(readAddress(target))
  }

  countElements(): number {
    let count = this.#scopes.countElements + this.#plain
    for (const nested of this.#rare.values()) count += nested.countPieces()
    return count
  }

  /**
   * How many elements the fullest of the interval sets that this address would go to could come to hold with it,
   * whatever ends or is lifted first; 0 for what goes to none.
   */
  rareWith({ scoped, direction }: Claim, address: Address): number {
    if (scoped || !isRare(address)) return 0
    const found = ways
      .filter((way) => direction === way || direction === 'both')
      .map((way) => this.#nested(setOf(address, way)).mostWith(address))
    return Math.max(...found)
  }

  /** Rare networks that lie in one another share their addresses out among themselves. */
  #announce(address: Address, before: BeforeChange): void {
    before(address)
    if (!isRare(address)) return
    for (const way of ways) {
      const nested = this.#nested(setOf(address, way))
      for (const other of nested.around(address)) before(other)
      for (const other of nested.inside(address)) before(other)
    }
  }

  #index(address: Address): void {
    for (const way of ways) {
      const nested = this.#nested(setOf(address, way))
      const end = latestEnd(this.#targets.on(address), way)
      if (end > 0) nested.put(address, end)
      else nested.delete(address)
    }
  }

  #nested(set: SetName): Nested {
    const found = this.#rare.get(set)
    if (found) return found
    const made = new Nested()
    this.#rare.set(set, made)
    return made
  }

  #count({ family, prefix }: Address, more: 1 | -1): void {
    const lengths = this.#lengths[family]
    const count = (lengths.get(prefix) ?? 0) + more
    if (count > 0) lengths.set(prefix, count)
    else lengths.delete(prefix)
  }

  #ofAudience(audience: string): Map<string, Claim> {
    const found = this.#claims.get(audience)
    if (found) return found
    const made = new Map<string, Claim>()
    this.#claims.set(audience, made)
    return made
  }
}

function isScoped(claim: Claim): claim is ScopedClaim {
  return claim.scoped !== undefined
}

function elementOf(held: Held, address: Address, way: Way): Element | undefined {
  const end = latestEnd(held, way)
  return end > 0 ? { set: setOf(address, way), address, end } : undefined
}

function countWays(held: Held): number {
  let count = 0
  for (const way of ways) if (latestEnd(held, way) > 0) count++
  return count
}
