/** Of many hosts and networks those around an address, at the cost of as many look-ups as they have lengths. */
import { type Address, widen } from '#contract/address.ts'

export class Covering<Entry extends { readonly address: Address }> {
  readonly #entries = new Map<string, Entry>()
  readonly #lengths = { 4: new Set<number>(), 6: new Set<number>() }

  /** The first entry of an address stays. */
  add(entry: Entry): void {
    const { text, family, prefix } = entry.address
    if (this.#entries.has(text)) return
    this.#entries.set(text, entry)
    this.#lengths[family].add(prefix)
  }

  /** Also the address itself. In no order. */
  around(address: Address): Entry[] {
    const found: Entry[] = []
    for (const length of this.#lengths[address.family]) {
      const entry = length <= address.prefix && this.#entries.get(widen(address, length).text)
      if (entry) found.push(entry)
    }
    return found
  }
}
