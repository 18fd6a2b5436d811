/**
 * What this node is to enforce: claims by audience and decision, and per address the latest end of its claims.
 * A change costs the same at any number of claims; the elements are derived, never stored.
 */
import type { Direction } from '#contract/action.ts'
import { type Address, readAddress, widen } from '#contract/address.ts'
import { Claims, type LatestEnds } from './claims.ts'
import type { SetName } from './kernel/firewall.ts'
import { Nested } from './nested.ts'
import { type Element, goes, isRare, setOf, type Way, ways } from './plan.ts'
import type { Scoped } from './scope.ts'
import { type ScopedClaim, type ScopedRoom, Scopes } from './scopes.ts'

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

/**
 * Called with an address before anything changes that its elements follow from. `first` is the claim that is about to be the
 * only one there, where all its elements follow from that.
 */
export type BeforeChange = (address: Address, first?: Claim) => void

export class Wished {
  readonly #claims = new Claims()
  readonly #rare = new Map<SetName, Nested>()
  readonly #scopes = new Scopes()
  /** How many plain claims have a target of each prefix length. */
  readonly #lengths = { 4: new Map<number, number>(), 6: new Map<number, number>() }
  /** Elements of plain blocks that are not rare: each heartbeat tells it, so it is never counted out of a million. */
  #plain = 0
  /** A whole state that is being taken: how many claims its audience will have. */
  #promised: { audience: string; claims: number } | undefined

  /** Decisions in force, counted once for each audience. */
  get size(): number {
    return this.#claims.size
  }

  /** As `size`, once the whole state that is being taken is there. */
  get committed(): number {
    if (!this.#promised) return this.size
    const { audience, claims } = this.#promised
    return this.size - this.sizeOf(audience) + claims
  }

  sizeOf(audience: string): number {
    return this.#claims.sizeOf(audience)
  }

  /** The audience is about to have this many claims, for which there must be room beside what comes meanwhile. */
  promise(audience: string, claims: number): void {
    this.#promised = { audience, claims }
    this.#claims.expect(this.committed)
  }

  /** The whole state is there. */
  fulfil(): void {
    this.#promised = undefined
  }

  has(audience: string, decision: string): boolean {
    return this.#claims.has(audience, decision)
  }

  /** Whether just this is claimed, and nothing newer by the same decision. */
  holds(claim: Claim, address: Address = readAddress(claim.target)): boolean {
    return this.#claims.known(claim, address) === 'same'
  }

  /** A plain claim is read anew each time; one that is more than that is always the one that was added. */
  get(audience: string, decision: string): Claim | undefined {
    return this.#claims.get(audience, decision)
  }

  /** Nothing may be added or removed until all of them were read. */
  audience(audience: string): Generator<Claim> {
    return this.#claims.all(audience)
  }

  /** As `audience`. */
  claims(): Generator<Claim> {
    return this.#claims.all()
  }

  /** Every plain claim whose target is around the address, or the address itself. */
  *claimsAround(address: Address): Generator<Claim> {
    for (const length of this.#lengths[address.family].keys()) {
      if (length > address.prefix) continue
      yield* this.#claims.on(widen(address, length))
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
    return this.#claims.nextEnd()
  }

  /** A newer action on the same decision replaces its claim, whatever it said. */
  add(claim: Claim, address: Address, before: BeforeChange): void {
    const known = this.#claims.known(claim, address)
    // A whole state mostly says what is known.
    if (known === 'same') return
    if (known === 'other') this.remove(claim.audience, claim.decision, before)
    if (isScoped(claim)) {
      this.#scopes.add(claim, address)
      this.#claims.add(claim, address)
      return
    }
    const others = this.#claims.latestEnds(address)
    if (others.in + others.out === 0 && !isRare(address)) before(address, claim)
    else this.#announce(address, before)
    this.#claims.add(claim, address)
    this.#count(claim, address, 1, others)
  }

  /** Removes that claim only; what other decisions claim on the address stays. */
  remove(audience: string, decision: string, before: BeforeChange): Claim | undefined {
    const claim = this.get(audience, decision)
    if (!claim) return undefined
    const address = readAddress(claim.target)
    if (isScoped(claim)) {
      this.#claims.remove(audience, decision)
      this.#scopes.remove(claim)
      return claim
    }
    this.#announce(address, before)
    this.#claims.remove(audience, decision)
    this.#count(claim, address, -1, this.#claims.latestEnds(address))
    return claim
  }

  /** Removes one claim whose end has come. */
  removeEnded(now: number, before: BeforeChange): Claim | undefined {
    const end = this.nextEnd()
    const claim = end !== undefined && end <= now ? this.#claims.next() : undefined
    return claim && this.remove(claim.audience, claim.decision, before)
  }

  /**
   * What is wished for this address: at most one element for each way, but for a network of a rare length the pieces
   * of it that no longer-lasting one inside it takes.
   */
  elementsOf(address: Address): readonly Element[] {
    if (isRare(address)) return ways.flatMap((way) => this.#pieces(address, way))
    const held = this.#claims.latestEnds(address)
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
    for (const address of this.#claims.addresses()) yield* this.elementsOf(address)
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
      .filter((way) => goes({ direction }, way))
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
    const held = this.#claims.latestEnds(address)
    for (const way of ways) {
      const nested = this.#nested(setOf(address, way))
      const end = held[way]
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

  /** A plain claim came or went; of the address the others are known. */
  #count(claim: Claim, address: Address, more: 1 | -1, others: LatestEnds): void {
    this.#countLength(address, more)
    if (isRare(address)) this.#index(address)
    else for (const way of ways) if (goes(claim, way) && others[way] === 0) this.#plain += more
  }

  #countLength({ family, prefix }: Address, more: 1 | -1): void {
    const lengths = this.#lengths[family]
    const count = (lengths.get(prefix) ?? 0) + more
    if (count > 0) lengths.set(prefix, count)
    else lengths.delete(prefix)
  }
}

function isScoped(claim: Claim): claim is ScopedClaim {
  return claim.scoped !== undefined
}

function elementOf(held: LatestEnds, address: Address, way: Way): Element | undefined {
  const end = held[way]
  return end > 0 ? { set: setOf(address, way), address, end } : undefined
}
