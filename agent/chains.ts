/** Rows found by a hash: all that a hash leads to are in one chain. 8 bytes a row, where a map of objects takes 37 and a key. */

/** Rows are numbered from 1 on: 0 is none. */
export class Chains {
  /** The first of each chain. */
  #first: Uint32Array<ArrayBuffer>
  #next: Uint32Array<ArrayBuffer>
  readonly #hashOf: (row: number) => number

  /** `places` is a power of two, also where it is said anew. */
  constructor(places: number, hashOf: (row: number) => number) {
    this.#first = new Uint32Array(places)
    this.#next = new Uint32Array(places)
    this.#hashOf = hashOf
  }

  /** The first that may be what has this hash. */
  first(hash: number): number {
    return this.#first[this.#chain(hash)] ?? 0
  }

  after(row: number): number {
    return this.#next[row] ?? 0
  }

  add(row: number): void {
    const chain = this.#chain(this.#hashOf(row))
    this.#next[row] = this.first(chain)
    this.#first[chain] = row
  }

  /** What the row says must still be there. */
  delete(row: number): void {
    this.#relink(row, this.after(row))
  }

  /** What one row says is to be said by another, which is in no chain. Both rows must still say it, or not yet. */
  move(from: number, to: number): void {
    this.#relink(from, to)
    this.#next[to] = this.after(from)
  }

  /** For the rows 1 to `rows` and those that come, up to so many places. */
  resize(places: number, rows: number): void {
    this.#first = new Uint32Array(places)
    this.#next = new Uint32Array(places)
    for (let row = 1; row <= rows; row++) this.add(row)
  }

  /** What led to the row leads to another one. */
  #relink(row: number, to: number): void {
    const chain = this.#chain(this.#hashOf(row))
    let before = this.first(chain)
    if (before === row) {
      this.#first[chain] = to
      return
    }
    while (this.after(before) !== row) before = this.after(before)
    this.#next[before] = to
  }

  #chain(hash: number): number {
    return hash & (this.#first.length - 1)
  }
}
