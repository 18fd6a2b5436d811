/**
 * The wished networks of one interval set, which cannot hold one network inside another: the outer one is
 * held, the inner ones are remembered and come back when it ends.
 */
import { type Address, compareAddresses, contains, widen } from '#contract/address.ts'

export class Nested {
  /** By compareAddresses: what lies inside a network follows it directly. */
  readonly #sorted: Address[] = []
  readonly #texts = new Set<string>()
  /** How many networks of each prefix length there are. */
  readonly #lengths = new Map<number, number>()

  get size(): number {
    return this.#sorted.length
  }

  add(address: Address): void {
    if (this.#texts.has(address.text)) return
    this.#texts.add(address.text)
    this.#sorted.splice(this.#place(address), 0, address)
    this.#lengths.set(address.prefix, (this.#lengths.get(address.prefix) ?? 0) + 1)
  }

  delete(address: Address): void {
    if (!this.#texts.delete(address.text)) return
    this.#sorted.splice(this.#place(address), 1)
    const left = (this.#lengths.get(address.prefix) ?? 1) - 1
    if (left === 0) this.#lengths.delete(address.prefix)
    else this.#lengths.set(address.prefix, left)
  }

  /** Whether a wider network of the set lies around the address. */
  covered(address: Address): boolean {
    for (const length of this.#lengths.keys())
      if (length < address.prefix && this.#texts.has(widen(address, length).text)) return true
    return false
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

  countCovered(): number {
    let count = 0
    let outer: Address | undefined
    for (const one of this.#sorted)
      if (outer && contains(outer, one)) count++
      else outer = one
    return count
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
