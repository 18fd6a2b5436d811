/** Claims in the order in which they end: a binary heap, so that one more costs the same at any number. */
import type { Claim } from './wished.ts'

/** Claims that were replaced or lifted stay until they come up, or until they are most of the heap. */
export class Ends {
  #heap: Claim[] = []
  readonly #current: (claim: Claim) => boolean
  readonly #count: () => number

  constructor(current: (claim: Claim) => boolean, count: () => number) {
    this.#current = current
    this.#count = count
  }

  add(claim: Claim): void {
    if (this.#heap.length > 2 * this.#count() + 1_000) this.#rebuild()
    this.#heap.push(claim)
    this.#rise(this.#heap.length - 1)
  }

  /** When the first claim ends; undefined when there is none. */
  next(): number | undefined {
    this.#dropStale()
    return this.#heap[0]?.end
  }

  /** One claim that has ended, taken out. */
  take(now: number): Claim | undefined {
    this.#dropStale()
    const first = this.#heap[0]
    if (!first || first.end > now) return undefined
    this.#pop()
    return first
  }

  #dropStale(): void {
    for (let first = this.#heap[0]; first && !this.#current(first); first = this.#heap[0])
      this.#pop()
  }

  #rebuild(): void {
    this.#heap = this.#heap.filter(this.#current).sort((a, b) => a.end - b.end)
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #rise(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      if (this.#end(parent) <= this.#end(at)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #sink(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1
      const least = this.#end(left + 1) < this.#end(left) ? left + 1 : left
      if (this.#end(least) >= this.#end(at)) return
      this.#swap(at, least)
      at = least
    }
  }

  #end(at: number): number {
    return this.#heap[at]?.end ?? Number.POSITIVE_INFINITY
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]]
    if (!one || !other) return
    this.#heap[a] = other
    this.#heap[b] = one
  }
}
