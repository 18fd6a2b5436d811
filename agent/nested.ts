/**
 * The wished networks of one interval set, which cannot hold one network inside another. Each is held as pieces: what
 * of it no network inside it outlasts. So every address ends with the last network around it, also when nobody is
 * there to change the set.
 */
import { type Address, compareAddresses, contains, widen } from '#contract/address.ts'

export type Piece = { address: Address; end: number }

export class Nested {
  /** By compareAddresses: what lies inside a network follows it directly. */
  readonly #sorted: Address[] = []
  readonly #ends = new Map<string, number>()
  /** How many networks of each prefix length there are. */
  readonly #lengths = new Map<number, number>()
  #most = 0

  /**
   * How many pieces there are at most, whichever of the networks go first: one for each that lies in no other, and for
   * each inside others as many as it is narrower than the outermost, since each halving leaves one piece.
   */
  get most(): number {
    return this.#most
  }

  /** As `most`, with this network besides. */
  mostWith(address: Address): number {
    return this.#ends.has(address.text) ? this.#most : this.#most + this.#cost(address)
  }

  /** A network that is there already gets the new end. */
  put(address: Address, end: number): void {
    if (!this.#ends.has(address.text)) {
      this.#most += this.#cost(address)
      this.#sorted.splice(this.#place(address), 0, address)
      this.#lengths.set(address.prefix, (this.#lengths.get(address.prefix) ?? 0) + 1)
    }
    this.#ends.set(address.text, end)
  }

  delete(address: Address): void {
    if (!this.#ends.delete(address.text)) return
    this.#sorted.splice(this.#place(address), 1)
    const left = (this.#lengths.get(address.prefix) ?? 1) - 1
    if (left === 0) this.#lengths.delete(address.prefix)
    else this.#lengths.set(address.prefix, left)
    this.#most -= this.#cost(address)
  }

  /** The networks of the set strictly around the address. */
  around(address: Address): Address[] {
    const found: Address[] = []
    for (const length of this.#lengths.keys()) {
      if (length >= address.prefix) continue
      const outer = widen(address, length)
      if (this.#ends.has(outer.text)) found.push(outer)
    }
    return found
  }

  /** The networks of the set strictly inside the address. */
  inside(address: Address): Address[] {
    const found: Address[] = []
    for (let at = this.#place(address); at < this.#sorted.length; at++) {
      const one = this.#sorted[at]
      if (!one || !contains(address, one)) break
      if (one.prefix !== address.prefix) found.push(one)
    }
    return found
  }

  /** What the set holds for this network itself; nothing where one around it lasts as long. */
  pieces(address: Address): Piece[] {
    const end = this.#end(address)
    if (end === 0 || this.around(address).some((outer) => this.#end(outer) >= end)) return []
    const holes = outermost(this.inside(address).filter((inner) => this.#end(inner) > end))
    return without(address, holes).map((piece) => ({ address: piece, end }))
  }

  countPieces(): number {
    let count = 0
    let outer: Address | undefined
    this.#sorted.forEach((one, at) => {
      const within = outer !== undefined && contains(outer, one)
      if (!within) outer = one
      const next = this.#sorted[at + 1]
      const alone = !within && !(next && contains(one, next))
      count += alone ? 1 : this.pieces(one).length
    })
    return count
  }

  /** How much more this network, which is not there, makes the most. */
  #cost(address: Address): number {
    const outer = Math.min(...this.around(address).map(({ prefix }) => prefix))
    if (Number.isFinite(outer)) return address.prefix - outer
    let cost = 1
    let top: Address | undefined
    for (const inner of this.inside(address)) {
      const first = top === undefined || !contains(top, inner)
      if (first) top = inner
      cost += (top?.prefix ?? 0) - address.prefix - (first ? 1 : 0)
    }
    return cost
  }

  #end(address: Address): number {
    return this.#ends.get(address.text) ?? 0
  }

  #place(address: Address): number {
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const one = this.#sorted[middle]
      if (one && compareAddresses(one, address) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Of sorted networks those that lie in no other. */
function outermost(sorted: readonly Address[]): Address[] {
  const found: Address[] = []
  for (const one of sorted) {
    const before = found.at(-1)
    if (!before || !contains(before, one)) found.push(one)
  }
  return found
}

/** The network less the holes, which lie apart in it, as the fewest networks. */
function without(network: Address, holes: readonly Address[]): Address[] {
  const [first] = holes
  if (!first) return [network]
  if (first.prefix === network.prefix) return []
  const half = widen(first, network.prefix + 1)
  const other = otherHalf(half)
  return [
    ...without(
      half,
      holes.filter((hole) => contains(half, hole)),
    ),
    ...without(
      other,
      holes.filter((hole) => contains(other, hole)),
    ),
  ]
}

function otherHalf(half: Address): Address {
  const bytes = Uint8Array.from(half.bytes)
  const at = (half.prefix - 1) >> 3
  bytes[at] = (bytes[at] ?? 0) ^ (0x80 >> ((half.prefix - 1) & 7))
  // Only widening prints an address from its bytes; no half here is a host, which could not be widened to itself.
  return widen({ ...half, bytes, prefix: bytes.length * 8 }, half.prefix)
}
