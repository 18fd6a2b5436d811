/**
 * Where the kernel may differ from what is wished: the addresses that changed since it last confirmed, with what it
 * held before, and the answers that are owed once it does. Urgent ones (live envelopes) go before bulk.
 */

import type { Address } from '#contract/address.ts'
import type { ReceiptStatus } from '#contract/receipt.ts'
import type { Change } from './kernel/firewall.ts'
import { type Element, elementKey, isRare, plan } from './plan.ts'
import type { BeforeChange, Wished } from './wished.ts'

export type Answer = { audience: string; decision: string; status: ReceiptStatus }

type Difference = { address: Address; held: readonly Element[]; answers: Answer[] }

export class Differences {
  readonly #wished: Wished
  readonly #urgent = new Map<string, Difference>()
  readonly #bulk = new Map<string, Difference>()

  constructor(wished: Wished) {
    this.#wished = wished
  }

  get size(): number {
    return this.#urgent.size + this.#bulk.size
  }

  readonly urgent: BeforeChange = (address) => {
    const waiting = this.#bulk.get(address.text)
    if (waiting) {
      this.#bulk.delete(address.text)
      this.#urgent.set(address.text, waiting)
    } else this.#note(this.#urgent, address)
  }

  /** Networks of an interval set must not be split over transactions: an inner one leaves before its outer comes. */
  readonly bulk: BeforeChange = (address) => {
    if (isRare(address)) this.urgent(address)
    else if (!this.#urgent.has(address.text)) this.#note(this.#bulk, address)
  }

  /** To be given when the kernel has confirmed what is wished for this address, which changed before. */
  owe(target: string, answer: Answer): void {
    const difference = this.#urgent.get(target) ?? this.#bulk.get(target)
    difference?.answers.push(answer)
  }

  /** All that is urgent, and bulk up to `atMost` addresses in all. */
  take(atMost: number, now: number): { changes: Change[]; answers: Answer[] } {
    const held = new Map<string, Element>()
    const wished = new Map<string, Element>()
    const answers: Answer[] = []
    for (const difference of this.#taken(atMost)) {
      for (const element of difference.held)
        held.set(elementKey(element.set, element.address), element)
      for (const element of this.#wished.elementsOf(difference.address))
        wished.set(elementKey(element.set, element.address), element)
      for (const answer of difference.answers) answers.push(answer)
    }
    return { changes: plan(held, wished, now), answers }
  }

  #note(into: Map<string, Difference>, address: Address): void {
    if (into.has(address.text)) return
    into.set(address.text, { address, held: this.#wished.elementsOf(address), answers: [] })
  }

  *#taken(atMost: number): Generator<Difference> {
    let count = 0
    for (const [target, difference] of this.#urgent) {
      this.#urgent.delete(target)
      count++
      yield difference
    }
    for (const [target, difference] of this.#bulk) {
      if (count >= atMost) return
      this.#bulk.delete(target)
      count++
      yield difference
    }
  }
}
