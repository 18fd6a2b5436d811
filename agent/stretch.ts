/** Addresses as one line, so that lists can be laid over one another and what is protected cut out of them. Pure. */
import { type Address, networkAt } from '#contract/address.ts'

/** From an address up to, and without, another, blocked until `end` (ms of the service's clock). */
export type Stretch = { readonly from: bigint; readonly to: bigint; readonly end: number }

/** IPv6 lies behind IPv4, and apart from it, so that nothing ever reaches from one into the other. */
const six = 1n << 128n

export function stretchOf({ family, bytes, prefix }: Address, end: number): Stretch {
  const width = bytes.length * 8
  const from = family === 4 ? BigInt(word(bytes, 0)) : six + wide(bytes)
  return { from, to: from + (1n << BigInt(width - prefix)), end }
}

/** Both, each of them in order and without overlap; where they overlap the later end counts. */
function overlay(a: Iterable<Stretch>, b: Iterable<Stretch>): Generator<Stretch> {
  return combine(a, b, (x, y) => Math.max(x ?? 0, y ?? 0))
}

/** The first without what lies in the second. */
export function without(a: Iterable<Stretch>, cut: Iterable<Stretch>): Generator<Stretch> {
  return combine(a, cut, (x, y) => (y === undefined ? x : undefined))
}

/** The same addresses in order, without overlap; where some overlap the later end counts. */
export function inOrder(stretches: readonly Stretch[]): Stretch[] {
  const ones = stretches.map((one): Iterable<Stretch> => [one])
  return [...layAll(ones)]
}

/** As `overlay`, of any number: in pairs, so that each is gone through few times. */
export function layAll(all: readonly Iterable<Stretch>[]): Iterable<Stretch> {
  if (all.length < 2) return all[0] ?? []
  const half = all.length >> 1
  return overlay(layAll(all.slice(0, half)), layAll(all.slice(half)))
}

/** The fewest networks that are the stretch, in order. */
export function* networksIn({ from, to }: Stretch): Generator<Address> {
  const width = from >= six ? 128 : 32
  for (let at = from; at < to; ) {
    let bits = 0
    for (let size = 2n; bits < width && at % size === 0n && at + size <= to; size <<= 1n) bits++
    yield networkAt(bytesOf(at), width - bits)
    at += 1n << BigInt(bits)
  }
}

type Pick = (a: number | undefined, b: number | undefined) => number | undefined

/** Goes along both at once, piece by piece between their ends; pieces that touch and end together are one. */
function* combine(a: Iterable<Stretch>, b: Iterable<Stretch>, pick: Pick): Generator<Stretch> {
  const [left, right] = [a[Symbol.iterator](), b[Symbol.iterator]()]
  let x = next(left)
  let y = next(right)
  let open: Stretch | undefined
  for (let at = 0n; x || y; ) {
    const from: bigint = larger(at, smaller(x?.from, y?.from) ?? at)
    const inX = x !== undefined && x.from <= from
    const inY = y !== undefined && y.from <= from
    const to: bigint = smaller(inX ? x?.to : x?.from, inY ? y?.to : y?.from) ?? from
    const end = pick(inX ? x?.end : undefined, inY ? y?.end : undefined)
    if (end !== undefined) {
      if (open?.to === from && open.end === end) open = { from: open.from, to, end }
      else {
        if (open) yield open
        open = { from, to, end }
      }
    }
    at = to
    if (x && x.to <= at) x = next(left)
    if (y && y.to <= at) y = next(right)
  }
  if (open) yield open
}

function next(all: Iterator<Stretch>): Stretch | undefined {
  const { done, value } = all.next()
  return done ? undefined : value
}

function smaller(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

function word(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4)
  return a * 0x1000000 + ((b << 16) | (c << 8) | d)
}

function wide(bytes: Uint8Array): bigint {
  let value = 0n
  for (let at = 0; at < 16; at += 4) value = (value << 32n) | BigInt(word(bytes, at))
  return value
}

function bytesOf(at: bigint): Uint8Array {
  if (at < six) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, Number(at))
    return bytes
  }
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, (at - six) >> 64n)
  view.setBigUint64(8, at & 0xffff_ffff_ffff_ffffn)
  return bytes
}
