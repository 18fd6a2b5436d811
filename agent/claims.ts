/** The claims of a node, found by their decision, by their address, and by which ends first, at the same cost at any number. */
import type { Address } from '#contract/address.ts'
import { Chains } from './chains.ts'
import { Ends } from './ends.ts'
import { goes, type Way } from './plan.ts'
import { Rows } from './rows.ts'
import type { Claim } from './wished.ts'

/** What many claims have in common, and how many these are. */
type Kind = Pick<Claim, 'audience' | 'direction'> & { plain: boolean; claims: number }

/** How long plain claims on an address last each way; 0 where none goes it. */
export type LatestEnds = Record<Way, number>

/** What is more than a plain block is the same only when it is that very claim. */
type Known = 'nothing' | 'same' | 'other'

const leastPlaces = 64
const none: Kind = { audience: '', direction: 'in', plain: false, claims: 0 }

export class Claims {
  #places = leastPlaces
  #size = 0
  /** Claims are rows 1 to `#size`; what is looked for is written into row 0. */
  readonly #rows = new Rows(leastPlaces)
  readonly #kinds: Kind[] = []
  /** By row, what is more than a plain block, as it came. */
  readonly #beyond = new Map<number, Claim>()
  readonly #byDecision = new Chains(leastPlaces, (row) => this.#rows.hashOfDecision(row))
  readonly #byAddress = new Chains(leastPlaces, (row) => this.#rows.hashOfAddress(row))
  readonly #ends = new Ends(leastPlaces, (row) => this.#rows.end(row))
  readonly #orders = [this.#byDecision, this.#byAddress, this.#ends] as const

  get size(): number {
    return this.#size
  }

  sizeOf(audience: string): number {
    return this.#kinds.reduce((sum, one) => sum + (one.audience === audience ? one.claims : 0), 0)
  }

  has(audience: string, decision: string): boolean {
    return this.#find(audience, decision) > 0
  }

  /** What there is of its decision: nothing, just this claim, or another. */
  known(claim: Claim, address: Address): Known {
    const row = this.#find(claim.audience, claim.decision)
    if (row === 0) return 'nothing'
    return this.#isAt(row, claim, address) ? 'same' : 'other'
  }

  /** A plain one is read anew each time; what is more than that is always the one that was added. */
  get(audience: string, decision: string): Claim | undefined {
    const row = this.#find(audience, decision)
    return row > 0 ? this.#claim(row) : undefined
  }

  /** Of one audience or of all, in no order. Nothing may be added or removed meanwhile. */
  *all(audience?: string): Generator<Claim> {
    for (let row = 1; row <= this.#size; row++)
      if (audience === undefined || this.#kind(row).audience === audience) yield this.#claim(row)
  }

  /** The plain ones on the address. */
  on(address: Address): Claim[] {
    const found: Claim[] = []
    this.#rows.writeAddress(0, address)
    for (let row = this.#firstOn(0); row > 0; row = this.#nextOn(0, row))
      found.push(this.#claim(row))
    return found
  }

  latestEnds(address: Address): LatestEnds {
    let into = 0
    let out = 0
    this.#rows.writeAddress(0, address)
    for (let row = this.#firstOn(0); row > 0; row = this.#nextOn(0, row)) {
      const kind = this.#kind(row)
      const end = this.#rows.end(row)
      if (goes(kind, 'in') && end > into) into = end
      if (goes(kind, 'out') && end > out) out = end
    }
    return { in: into, out }
  }

  /** Each address that a plain one is on, once; as `all`. */
  *addresses(): Generator<Address> {
    for (let row = 1; row <= this.#size; row++)
      if (this.#kind(row).plain && this.#firstOn(row) === row) yield this.#rows.address(row)
  }

  /** When the first claim ends; undefined when there is none. */
  nextEnd(): number | undefined {
    const row = this.#ends.first
    return row > 0 ? this.#rows.end(row) : undefined
  }

  /** The one that ends first. */
  next(): Claim | undefined {
    const row = this.#ends.first
    return row > 0 ? this.#claim(row) : undefined
  }

  /** So many are about to be there: their room is made once. */
  expect(size: number): void {
    let places = this.#places
    while (places <= size) places *= 2
    if (places > this.#places) this.#resize(places)
  }

  /** There is none of its audience and decision. */
  add(claim: Claim, address: Address): void {
    if (this.#size + 1 === this.#places) this.#resize(2 * this.#places)
    const row = ++this.#size
    this.#rows.write(row, claim, address, this.#kindOf(claim))
    this.#kind(row).claims++
    if (claim.scoped) this.#beyond.set(row, claim)
    for (const order of this.#orders) order.add(row)
  }

  remove(audience: string, decision: string): void {
    const row = this.#find(audience, decision)
    if (row === 0) return
    this.#kind(row).claims--
    this.#beyond.delete(row)
    for (const order of this.#orders) order.delete(row)
    if (row < this.#size) this.#move(this.#size, row)
    this.#size--
    if (this.#places > leastPlaces && this.#size < this.#places / 4) this.#resize(this.#places / 2)
  }

  /** The last row takes the place of one that is gone. */
  #move(from: number, to: number): void {
    for (const order of this.#orders) order.move(from, to)
    this.#rows.copy(from, to)
    const beyond = this.#beyond.get(from)
    if (!beyond) return
    this.#beyond.delete(from)
    this.#beyond.set(to, beyond)
  }

  #resize(places: number): void {
    this.#places = places
    this.#rows.resize(places)
    for (const order of this.#orders) order.resize(places, this.#size)
  }

  #find(audience: string, decision: string): number {
    this.#rows.writeDecision(0, decision)
    let row = this.#byDecision.first(this.#rows.hashOfDecision(0))
    while (row > 0 && !(this.#rows.isSameDecision(row, 0) && this.#kind(row).audience === audience))
      row = this.#byDecision.after(row)
    return row
  }

  #isAt(row: number, claim: Claim, address: Address): boolean {
    if (claim.scoped) return this.#beyond.get(row) === claim
    this.#rows.writeAddress(0, address)
    const { plain, direction } = this.#kind(row)
    const same = direction === claim.direction && this.#rows.end(row) === claim.end
    return plain && same && this.#rows.isSameAddress(row, 0)
  }

  /** The first plain row on the address of row `of`. */
  #firstOn(of: number): number {
    return this.#onFrom(of, this.#byAddress.first(this.#rows.hashOfAddress(of)))
  }

  #nextOn(of: number, row: number): number {
    return this.#onFrom(of, this.#byAddress.after(row))
  }

  #onFrom(of: number, from: number): number {
    let row = from
    while (row > 0 && !(this.#kind(row).plain && this.#rows.isSameAddress(row, of)))
      row = this.#byAddress.after(row)
    return row
  }

  #claim(row: number): Claim {
    const beyond = this.#beyond.get(row)
    if (beyond) return beyond
    const { audience, direction } = this.#kind(row)
    const decision = this.#rows.decision(row)
    const target = this.#rows.address(row).text
    return { audience, decision, target, direction, end: this.#rows.end(row) }
  }

  #kind(row: number): Kind {
    return this.#kinds[this.#rows.kind(row)] ?? none
  }

  #kindOf({ audience, direction, scoped }: Claim): number {
    const plain = scoped === undefined
    const found = this.#kinds.findIndex(
      (kind) => kind.plain === plain && kind.direction === direction && kind.audience === audience,
    )
    return found < 0 ? this.#kinds.push({ audience, direction, plain, claims: 0 }) - 1 : found
  }
}
