/**
 * Claims as rows of one piece of memory, 48 bytes each. As objects with their texts they take several times that, and the
 * garbage collector looks at every one of a million again and again.
 */
import { randomInt } from 'node:crypto'
import { type Address, networkAt } from '#contract/address.ts'
import type { Claim } from './wished.ts'

/** How large a row is and where in it something begins, in bytes. */
const width = 48
const at = { decision: 0, address: 16, end: 32, kind: 40, length: 44 }

/** Every decision begins with the same two letters; the sixteen after them are kept as they are. */
const prefix = 'd-'
/** Of what is looked for by its hash: the letters of a decision, or an address, of which IPv4 fills the first four. */
const keyBytes = 16
/** Nobody can choose addresses that all have the same hash. */
const seed = randomInt(2 ** 32)

export class Rows {
  /** The same memory, by what is read of it. */
  #bytes = Buffer.alloc(0)
  #words = new Uint32Array()
  #doubles = new Float64Array()

  constructor(places: number) {
    this.#lay(new ArrayBuffer(places * width))
  }

  /** `kind` is any number. */
  write(row: number, { decision, end }: Claim, address: Address, kind: number): void {
    this.writeDecision(row, decision)
    this.writeAddress(row, address)
    this.#doubles[(row * width + at.end) / 8] = end
    this.#words[(row * width + at.kind) / 4] = kind
  }

  writeDecision(row: number, decision: string): void {
    const from = row * width + at.decision
    for (let i = 0; i < keyBytes; i++)
      this.#bytes[from + i] = decision.charCodeAt(prefix.length + i)
  }

  writeAddress(row: number, { bytes, family, prefix: length }: Address): void {
    const from = row * width + at.address
    for (let i = bytes.length; i < keyBytes; i += 4) this.#words[(from + i) / 4] = 0
    for (let i = 0; i < bytes.length; i++) this.#bytes[from + i] = bytes[i] ?? 0
    this.#words[(row * width + at.length) / 4] = (family << 8) | length
  }

  decision(row: number): string {
    const from = row * width + at.decision
    return prefix + this.#bytes.toString('latin1', from, from + keyBytes)
  }

  address(row: number): Address {
    const from = row * width + at.address
    const length = this.#word(row, at.length)
    const bytes = this.#bytes.subarray(from, from + (length >> 8 === 4 ? 4 : keyBytes))
    return networkAt(new Uint8Array(bytes), length & 255)
  }

  end(row: number): number {
    return this.#doubles[(row * width + at.end) / 8] ?? 0
  }

  kind(row: number): number {
    return this.#word(row, at.kind)
  }

  hashOfDecision(row: number): number {
    return this.#hash(row, at.decision)
  }

  hashOfAddress(row: number): number {
    return this.#hash(row, at.address)
  }

  isSameDecision(one: number, other: number): boolean {
    return this.#isSame(one, other, at.decision)
  }

  isSameAddress(one: number, other: number): boolean {
    return (
      this.#word(one, at.length) === this.#word(other, at.length) &&
      this.#isSame(one, other, at.address)
    )
  }

  copy(from: number, to: number): void {
    this.#bytes.copyWithin(to * width, from * width, (from + 1) * width)
  }

  /** What has no place any more is gone. */
  resize(places: number): void {
    const memory = new ArrayBuffer(places * width)
    new Uint8Array(memory).set(this.#bytes.subarray(0, memory.byteLength))
    this.#lay(memory)
  }

  #lay(memory: ArrayBuffer): void {
    this.#bytes = Buffer.from(memory)
    this.#words = new Uint32Array(memory)
    this.#doubles = new Float64Array(memory)
  }

  #word(row: number, from: number): number {
    return this.#words[(row * width + from) / 4] ?? 0
  }

  /** Every bit of the key reaches the low ones, of which those that look for it take as many as they need. */
  #hash(row: number, from: number): number {
    let hash = seed
    for (let i = 0; i < keyBytes; i += 4) {
      hash = Math.imul(hash ^ this.#word(row, from + i), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    return hash
  }

  #isSame(one: number, other: number, from: number): boolean {
    for (let i = 0; i < keyBytes; i += 4)
      if (this.#word(one, from + i) !== this.#word(other, from + i)) return false
    return true
  }
}
