/** All networks of a country, from the database that tells where an address is. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { setImmediate as turn } from 'node:timers/promises'
import { Reader, type Response } from 'maxmind'
import { type Address, networkAt } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { type FileMark, readDatabase } from '../facts/places/read-database.ts'
import { readRecord } from '../facts/places/read-record.ts'
import type { PlacesSettings } from '../facts/places/settings.ts'

export type Countries = {
  /** By code, in order and apart; empty for one that the database does not know. Throws a Problem without a database. */
  networks(codes: readonly string[]): Promise<CountryData>
}

export type CountryData = {
  networks: ReadonlyMap<string, readonly Address[]>
  /** When the database was made. */
  built: string
}

/** Nodes of the tree, or networks, between two turns for what else there is to do: a few milliseconds. */
const slice = 5_000

/** Reads the file when it is asked for the first time and when it is another one than before. */
export function openCountries(settings: PlacesSettings): Countries {
  const path = settings.country ?? settings.city ?? embeddedCountries()
  let known:
    | { mark: FileMark; built: string; networks: Map<string, readonly Address[]> }
    | undefined
  return {
    networks: async (codes) => {
      const { mark, database, problem } = await readDatabase(path, 'country', known?.mark)
      if (problem) throw problem
      if (database || !known) {
        const built = printTime(database?.built ?? 0)
        known = { mark, built, networks: new Map() }
      }
      const { built, networks } = known
      const missing = codes.filter((code) => !networks.has(code))
      if (missing.length > 0)
        for (const [code, found] of await walk(await readFile(path), new Set(missing)))
          networks.set(code, found)
      return { built, networks: new Map(codes.map((code) => [code, networks.get(code) ?? []])) }
    },
  }
}

/** One pass over the tree. The format is MaxMind's DB 2.0; records are read by its own reader, once each. */
async function walk(bytes: Buffer, wanted: ReadonlySet<string>): Promise<Map<string, Address[]>> {
  const reader = new Reader<Response>(bytes)
  const { nodeCount, recordSize, ipVersion } = reader.metadata
  const width = ipVersion === 4 ? 32 : 128
  const found = new Map([...wanted].map((code) => [code, new Collected()]))
  const codes = new Map<number, string>()
  const path = new Uint8Array(width / 8)
  const child = childReader(bytes, recordSize)
  const ipv4Root = width === 32 ? 0 : ipv4Start(child, nodeCount)
  const stack: [node: number, depth: number, bit: 0 | 1][] = [[0, 0, 0]]
  let visited = 0
  for (let next = stack.pop(); next; next = stack.pop()) {
    const [node, depth, bit] = next
    if (depth > 0) setBit(path, depth - 1, bit)
    if (node < nodeCount) {
      // 2002::/16 and others lead to the IPv4 part a second time.
      const ipv4 = width === 128 && node === ipv4Root
      if (ipv4 && !(depth === 96 && isZero(path, 96))) continue
      if (depth === width) throw damaged()
      stack.push([child(node, 1), depth + 1, 1], [child(node, 0), depth + 1, 0])
    } else if (node > nodeCount) {
      const code = codes.get(node) ?? countryAt(reader, partOf(path, depth))
      codes.set(node, code)
      found.get(code)?.add(partOf(path, depth))
    }
    if (++visited % slice === 0) await turn()
  }
  const all = new Map<string, Address[]>()
  for (const [code, collected] of found) all.set(code, await addressesOf(collected))
  return all
}

function countryAt(reader: Reader<Response>, { bytes }: Part): string {
  const { text } = networkAt(bytes, bytes.length * 8)
  return readRecord.country(reader.get(text))?.country ?? ''
}

/** Below ::/96 the tree is that of IPv4. */
function partOf(path: Uint8Array, depth: number): Part {
  const bytes = Uint8Array.from(path)
  for (let bit = depth; bit < bytes.length * 8; bit++) setBit(bytes, bit, 0)
  const ipv4 = bytes.length === 16 && depth >= 96 && isZero(bytes, 96)
  return ipv4 ? { bytes: bytes.slice(12), prefix: depth - 96 } : { bytes, prefix: depth }
}

type Part = { bytes: Uint8Array; prefix: number }

/** Networks as they come in order; two halves that follow one another become the whole. */
class Collected {
  readonly all: Part[] = []

  add(part: Part): void {
    let whole = part
    for (let last = this.all.at(-1); last && areHalves(last, whole); last = this.all.at(-1)) {
      this.all.pop()
      whole = { bytes: last.bytes, prefix: last.prefix - 1 }
    }
    this.all.push(whole)
  }
}

/** IPv4 before IPv6, which is not the order of the tree everywhere. */
async function addressesOf({ all }: Collected): Promise<Address[]> {
  const addresses: Address[] = []
  for (const length of [4, 16])
    for (const { bytes, prefix } of all) {
      if (bytes.length !== length) continue
      addresses.push(networkAt(bytes, prefix))
      if (addresses.length % slice === 0) await turn()
    }
  return addresses
}

function areHalves(a: Part, b: Part): boolean {
  if (a.bytes.length !== b.bytes.length || a.prefix !== b.prefix || a.prefix === 0) return false
  const at = a.prefix - 1
  const flipped = Uint8Array.from(a.bytes)
  setBit(flipped, at, 1)
  return bitAt(a.bytes, at) === 0 && flipped.every((byte, index) => byte === b.bytes[index])
}

type Child = (node: number, side: 0 | 1) => number

/** Records of 24, 28 or 32 bits; of 28 the middle byte holds the high bits of both. */
function childReader(bytes: Buffer, recordSize: number): Child {
  const size = recordSize / 4
  if (recordSize === 24) return (node, side) => bytes.readUIntBE(node * size + side * 3, 3)
  if (recordSize === 32) return (node, side) => bytes.readUInt32BE(node * size + side * 4)
  if (recordSize !== 28) throw damaged()
  return (node, side) => {
    const at = node * size
    const middle = bytes.readUInt8(at + 3)
    const high = side === 0 ? middle >> 4 : middle & 0x0f
    return high * 2 ** 24 + bytes.readUIntBE(at + side * 4, 3)
  }
}

function ipv4Start(child: Child, nodeCount: number): number {
  let node = 0
  for (let depth = 0; depth < 96 && node < nodeCount; depth++) node = child(node, 0)
  return node
}

function setBit(bytes: Uint8Array, at: number, bit: 0 | 1): void {
  const mask = 0x80 >> (at & 7)
  const byte = bytes[at >> 3] ?? 0
  bytes[at >> 3] = bit === 1 ? byte | mask : byte & ~mask
}

function bitAt(bytes: Uint8Array, at: number): 0 | 1 {
  return ((bytes[at >> 3] ?? 0) & (0x80 >> (at & 7))) === 0 ? 0 : 1
}

function isZero(bytes: Uint8Array, bits: number): boolean {
  return bytes.subarray(0, bits / 8).every((byte) => byte === 0)
}

function damaged(): Problem {
  return new Problem('invalid_input', 'the database of countries is damaged', {
    remedy: 'put a whole MMDB file there',
  })
}

function embeddedCountries(): string {
  const name = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'
  return createRequire(import.meta.url).resolve(name)
}
