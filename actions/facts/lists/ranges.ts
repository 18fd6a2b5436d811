/** A million networks as sorted ranges that are apart: looked up by halving, in typed arrays without objects. */
import { type Address, readAddress, widen } from '#contract/address.ts'

export type Ranges = { readonly four: Side; readonly six: Side }

/** The first and the last address of each range: one word of 32 bits each for IPv4, four for IPv6. */
export type Side = {
  readonly starts: Uint32Array<ArrayBuffer>
  readonly ends: Uint32Array<ArrayBuffer>
}

type Words = 1 | 4

/** Whether one range holds the whole host or network. Networks that touch are one range. */
export function holds(ranges: Ranges, address: Address): boolean {
  const { side, words } = sideOf(ranges, address)
  setBounds(address)
  const at = lastNotAfter(side.starts, first, words)
  return at >= 0 && compare(side.ends, at * words, last, 0, words) >= 0
}

/** Whether a range and the host or network have an address in common. */
export function touches(ranges: Ranges, address: Address): boolean {
  const { side, words } = sideOf(ranges, address)
  setBounds(address)
  const at = lastNotAfter(side.starts, last, words)
  return at >= 0 && compare(side.ends, at * words, first, 0, words) >= 0
}

/** The fewest networks that are the same addresses, in order; made one by one. */
export function* networksOf(ranges: Ranges): Generator<Address> {
  for (const [side, words] of [
    [ranges.four, 1],
    [ranges.six, 4],
  ] as const)
    for (let at = 0; at < side.starts.length; at += words)
      yield* split(bigAt(side.starts, at, words), bigAt(side.ends, at, words), words)
}

export function rangesIn(ranges: Ranges): number {
  return ranges.four.starts.length + ranges.six.starts.length / 4
}

export class RangesBuilder {
  readonly #four = new SideBuilder(1)
  readonly #six = new SideBuilder(4)

  add(address: Address): void {
    const side = address.family === 4 ? this.#four : this.#six
    side.add(address)
  }

  build(): Ranges {
    return { four: this.#four.build(), six: this.#six.build() }
  }
}

class SideBuilder {
  readonly #words: Words
  #starts = new Uint32Array(64)
  #prefixes = new Uint8Array(64)
  #count = 0

  constructor(words: Words) {
    this.#words = words
  }

  add({ bytes, prefix }: Address): void {
    if ((this.#count + 1) * this.#words > this.#starts.length) this.#grow()
    for (let word = 0; word < this.#words; word++)
      this.#starts[this.#count * this.#words + word] = wordAt(bytes, word)
    this.#prefixes[this.#count++] = prefix
  }

  build(): Side {
    return this.#words === 1 ? this.#mergeFour() : this.#mergeSix()
  }

  #grow(): void {
    const starts = new Uint32Array(this.#starts.length * 2)
    starts.set(this.#starts)
    this.#starts = starts
    const prefixes = new Uint8Array(starts.length)
    prefixes.set(this.#prefixes)
    this.#prefixes = prefixes
  }

  /** Sorted as numbers that hold start and prefix: ten times as fast as by a comparing function. */
  #mergeFour(): Side {
    const keys = new Float64Array(this.#count)
    for (let at = 0; at < keys.length; at++)
      keys[at] = (this.#starts[at] ?? 0) * 64 + (this.#prefixes[at] ?? 0)
    keys.sort()
    const merge = new Merge(1, this.#count)
    for (const key of keys) {
      first[0] = Math.floor(key / 64)
      setLast(key % 64, 1)
      merge.take()
    }
    return merge.side()
  }

  #mergeSix(): Side {
    const starts = this.#starts
    const order = new Uint32Array(this.#count)
    for (let at = 0; at < order.length; at++) order[at] = at
    order.sort((a, b) => compare(starts, a * 4, starts, b * 4, 4))
    const merge = new Merge(4, this.#count)
    for (const at of order) {
      for (let word = 0; word < 4; word++) first[word] = starts[at * 4 + word] ?? 0
      setLast(this.#prefixes[at] ?? 0, 4)
      merge.take()
    }
    return merge.side()
  }
}

/** Takes networks by their first address, from `first` and `last`, and joins those that overlap or touch. */
class Merge {
  readonly #words: Words
  readonly #starts: Uint32Array<ArrayBuffer>
  readonly #ends: Uint32Array<ArrayBuffer>
  #length = 0

  constructor(words: Words, most: number) {
    this.#words = words
    this.#starts = new Uint32Array(most * words)
    this.#ends = new Uint32Array(most * words)
  }

  take(): void {
    const open = this.#length - this.#words
    if (open >= 0 && !this.#isApart(open)) {
      if (compare(last, 0, this.#ends, open, this.#words) > 0) this.#write(this.#ends, last, open)
      return
    }
    this.#write(this.#starts, first, this.#length)
    this.#write(this.#ends, last, this.#length)
    this.#length += this.#words
  }

  side(): Side {
    return {
      starts: this.#starts.slice(0, this.#length),
      ends: this.#ends.slice(0, this.#length),
    }
  }

  /** More than one behind the end of the range that is open. */
  #isApart(open: number): boolean {
    if (compare(first, 0, this.#ends, open, this.#words) <= 0) return false
    let carry = 1
    for (let word = this.#words - 1; word >= 0; word--) {
      const next = (this.#ends[open + word] ?? 0) + carry
      if (next % 2 ** 32 !== first[word]) return true
      carry = next >= 2 ** 32 ? 1 : 0
    }
    return false
  }

  #write(to: Uint32Array, from: Uint32Array, at: number): void {
    for (let word = 0; word < this.#words; word++) to[at + word] = from[word] ?? 0
  }
}

// The address that is asked for. Nothing waits in between, so one place serves all.
const first = new Uint32Array(4)
const last = new Uint32Array(4)

function setBounds({ bytes, prefix, family }: Address): void {
  const words = family === 4 ? 1 : 4
  for (let word = 0; word < words; word++) first[word] = wordAt(bytes, word)
  setLast(prefix, words)
}

function setLast(prefix: number, words: Words): void {
  for (let word = 0; word < words; word++) {
    const fixed = prefix - word * 32
    const host = fixed >= 32 ? 0 : fixed <= 0 ? 0xffffffff : 0xffffffff >>> fixed
    last[word] = ((first[word] ?? 0) | host) >>> 0
  }
}

function sideOf(ranges: Ranges, { family }: Address): { side: Side; words: Words } {
  return family === 4 ? { side: ranges.four, words: 1 } : { side: ranges.six, words: 4 }
}

/** Index of the last range that starts at or before the value; -1 when all start after it. */
function lastNotAfter(starts: Uint32Array, value: Uint32Array, words: Words): number {
  let low = 0
  let high = starts.length / words
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(starts, middle * words, value, 0, words) <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}

function compare(a: Uint32Array, at: number, b: Uint32Array, bt: number, words: Words): number {
  for (let word = 0; word < words; word++) {
    const difference = (a[at + word] ?? 0) - (b[bt + word] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function wordAt(bytes: Uint8Array, word: number): number {
  const at = word * 4
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const low = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  return ((high << 16) | low) >>> 0
}

function bigAt(array: Uint32Array, at: number, words: Words): bigint {
  let value = 0n
  for (let word = 0; word < words; word++) value = (value << 32n) | BigInt(array[at + word] ?? 0)
  return value
}

function* split(start: bigint, end: bigint, words: Words): Generator<Address> {
  const width = words * 32
  for (let from = start; from <= end; ) {
    let bits = 0
    while (bits < width) {
      const size = 2n << BigInt(bits)
      if (from % size !== 0n || from + size - 1n > end) break
      bits++
    }
    yield widen(readAddress(hostText(from, words)), width - bits)
    from += 1n << BigInt(bits)
  }
}

function hostText(value: bigint, words: Words): string {
  if (words === 1) {
    const number = Number(value)
    return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
  }
  return (value.toString(16).padStart(32, '0').match(/.{4}/g) ?? []).join(':')
}
