/**
 * Where the kernel may differ from what is wished: the addresses that changed since it last confirmed, with what it
 * held before, and the answers that are owed once it does.
 */
import type { Address } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import type { Problem } from '#contract/problem.ts'
import type { Receipt } from '#contract/receipt.ts'
import type { Change } from './kernel/firewall.ts'
import { type Element, elementKey, elementsOf, plan, puts } from './plan.ts'
import type { BeforeChange, Wished } from './wished.ts'

/** A receipt but for its time, which is that of the kernel's confirmation. */
export type Answer = Omit<Receipt, 'at'>
export type Place = Pick<Answer, 'audience' | 'epoch' | 'seq'>

export class Differences {
  readonly #wished: Wished
  readonly #held = new Map<string, { address: Address; elements: readonly Element[] }>()
  /**
   * Where nothing was held, as of nearly all of a whole state. What becomes of one of them before the kernel is told stands
   * in `#held` as if it were there already: to remove what is not there is no error.
   */
  #fresh: Element[] = []
  readonly #heard: (answer: Answer) => void
  #answers: Answer[] = []
  /** Of the scoped orders, when they were handed over last. */
  #version = 0

  /** `heard` is told of each answer when it is owed. */
  constructor(wished: Wished, heard: (answer: Answer) => void) {
    this.#wished = wished
    this.#heard = heard
  }

  /** Only the first change of an address since the last confirmation tells what the kernel holds. */
  readonly note: BeforeChange = (address, first) => {
    // To look for a text costs something even where there is none.
    if (this.#held.size > 0 && this.#held.has(address.text)) return
    if (first) for (const one of elementsOf(first, address)) this.#fresh.push(one)
    else this.#held.set(address.text, { address, elements: this.#wished.elementsOf(address) })
  }

  /** To be given when the kernel has confirmed what is wished now. */
  owe(answer: Answer): void {
    this.#heard(answer)
    this.#answers.push(answer)
  }

  /**
   * Hands everything over: from now on the kernel counts as holding what is wished now. `scoped` is whether anything is
   * another of the orders that are more than a plain block, which are brought as a whole.
   */
  take(now: number): { changes: Change[]; scoped: boolean; answers: Answer[] } {
    const held = new Map<string, Element>()
    const wished = new Map<string, Element>()
    for (const { address, elements } of this.#held.values()) {
      for (const element of elements) held.set(elementKey(element.set, element.address), element)
      for (const element of this.#wished.elementsOf(address))
        wished.set(elementKey(element.set, element.address), element)
    }
    // What became of a fresh one since is put, or removed, after it.
    const changes = [...puts(this.#fresh, now), ...plan(held, wished, now)]
    const answers = this.#answers
    const { version } = this.#wished.scopes
    const scoped = version !== this.#version
    this.#version = version
    this.#held.clear()
    this.#fresh = []
    this.#answers = []
    return { changes, scoped, answers }
  }
}

export function refused(answer: Omit<Answer, 'status'>, problem: Problem): Answer {
  return {
    ...answer,
    status: 'refused',
    code: problem.code,
    detail: printable(problem.message, 300),
  }
}
