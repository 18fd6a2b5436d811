/** What ends, soonest first. */

type Entry<Item> = { at: number; item: Item }

/** A binary heap: a hundred thousand blocks may be in force, and each alert asks which of them have ended. */
export class Ends<Item> {
  readonly #heap: Entry<Item>[] = []

  add(at: number, item: Item): void {
    const heap = this.#heap
    let place = heap.push({ at, item }) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (this.#at(parent) <= this.#at(place)) return
      this.#swap(place, parent)
      place = parent
    }
  }

  /** The next that has ended by then, taken out. */
  take(now: number): Item | undefined {
    const [first] = this.#heap
    if (!first || first.at > now) return undefined
    const last = this.#heap.pop()
    if (last && this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink()
    }
    return first.item
  }

  #sink(): void {
    for (let place = 0; ; ) {
      const [left, right] = [2 * place + 1, 2 * place + 2]
      const least = this.#at(right) < this.#at(left) ? right : left
      if (this.#at(place) <= this.#at(least)) return
      this.#swap(place, least)
      place = least
    }
  }

  #at(place: number): number {
    return this.#heap[place]?.at ?? Number.POSITIVE_INFINITY
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]]
    if (!first || !second) return
    this.#heap[a] = second
    this.#heap[b] = first
  }
}
