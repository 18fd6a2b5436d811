/** Rows by a hash of what they say: those with the same low bits are one chain. 8 bytes a row, where a map takes 37 and a key. */

/** Rows are numbered from 1 on: 0 is none. */
export class Chains {
  /** The first of each chain. */
  #first: Uint32Array<ArrayBuffer>
  #next: Uint32Array<ArrayBuffer>
  readonly #hashOf: (row: number) => number

  /** `places` is a power of two, here and in `resize`. */
  constructor(places: number, hashOf: (row: number) => number) {
    this.#first = new Uint32Array(places)
    this.#next = new Uint32Array(places)
    this.#hashOf = hashOf
  }

  /** The first of those that may have this hash. */
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

  /** A row that is in no chain takes the place of one that is. What this one says must still be there. */
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

  /** What led to the row leads elsewhere. */
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
