/** Rows in the order in which they end: a binary heap, so that one more costs the same at any number. */

/** Rows are numbered from 1 on, and so are the places of the heap: 0 is none. */
export class Ends {
  #rows: Uint32Array<ArrayBuffer>
  /** Of each row its place among them. */
  #places: Uint32Array<ArrayBuffer>
  #size = 0
  readonly #endOf: (row: number) => number

  constructor(places: number, endOf: (row: number) => number) {
    this.#rows = new Uint32Array(places)
    this.#places = new Uint32Array(places)
    this.#endOf = endOf
  }

  /** The row that ends first; 0 where there is none. */
  get first(): number {
    return this.#size > 0 ? this.#row(1) : 0
  }

  add(row: number): void {
    this.#put(++this.#size, row)
    this.#rise(this.#size)
  }

  delete(row: number): void {
    const place = this.#place(row)
    const last = this.#row(this.#size--)
    if (last === row) return
    this.#put(place, last)
    this.#rise(place)
    this.#sink(this.#place(last))
  }

  /** What ended with one row ends with another, at the same time. */
  move(from: number, to: number): void {
    this.#put(this.#place(from), to)
  }

  /** For the rows that there are and those that come, up to so many places. */
  resize(places: number): void {
    const [rows, all] = [this.#rows.subarray(0, this.#size + 1), this.#places]
    this.#rows = new Uint32Array(places)
    this.#rows.set(rows)
    this.#places = new Uint32Array(places)
    this.#places.set(all.subarray(0, places))
  }

  #rise(from: number): void {
    for (let at = from; at > 1; ) {
      const parent = at >> 1
      if (this.#end(parent) <= this.#end(at)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #sink(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at
      const least = this.#end(left + 1) < this.#end(left) ? left + 1 : left
      if (this.#end(least) >= this.#end(at)) return
      this.#swap(at, least)
      at = least
    }
  }

  #end(place: number): number {
    return place <= this.#size ? this.#endOf(this.#row(place)) : Number.POSITIVE_INFINITY
  }

  #swap(a: number, b: number): void {
    const row = this.#row(a)
    this.#put(a, this.#row(b))
    this.#put(b, row)
  }

  #put(place: number, row: number): void {
    this.#rows[place] = row
    this.#places[row] = place
  }

  #row(place: number): number {
    return this.#rows[place] ?? 0
  }

  #place(row: number): number {
    return this.#places[row] ?? 0
  }
}
