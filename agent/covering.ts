/** Of many hosts and networks those around an address, at the cost of as many look-ups as they have lengths. */
import { type Address, widen } from '#contract/address.ts'

export class Covering<Entry extends { readonly address: Address }> {
  readonly #lengths: Record<4 | 6, OfLength<Entry>[]> = { 4: [], 6: [] }

  /** The first entry of an address stays. */
  add(entry: Entry): void {
    const { family, prefix } = entry.address
    const lengths = this.#lengths[family]
    const known = lengths.find(({ length }) => length === prefix)
    const { entries } = known ?? { entries: new Map<Key, Entry>() }
    if (!known) lengths.push({ length: prefix, entries })
    const key = keyOf(entry.address, prefix)
    if (!entries.has(key)) entries.set(key, entry)
  }

  /** Also the address itself. In no order. */
  around(address: Address): Entry[] {
    const found: Entry[] = []
    for (const { length, entries } of this.#lengths[address.family]) {
      const entry = length <= address.prefix && entries.get(keyOf(address, length))
      if (entry) found.push(entry)
    }
    return found
  }
}

type Key = number | string
type OfLength<Entry> = { length: number; entries: Map<Key, Entry> }

/** The first bits of the address: of IPv4 as a number, since to write a text costs several times the look-up. */
function keyOf(address: Address, length: number): Key {
  if (address.family === 6) return widen(address, length).text
  if (length === 0) return 0
  const { bytes } = address
  const [a, b, c, d] = [bytes[0] ?? 0, bytes[1] ?? 0, bytes[2] ?? 0, bytes[3] ?? 0]
  return ((a << 24) | (b << 16) | (c << 8) | d) >> (32 - length)
}
