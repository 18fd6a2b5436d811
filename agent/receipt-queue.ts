/**
 * Receipts that wait for the service, the oldest first. Those that differ by their decision alone, as a whole state or a mass
 * lift brings them, are a run, in which each takes a place in a list instead of an object: there may be a million.
 */
import type { Receipt } from '#contract/receipt.ts'
import type { Answer } from './differences.ts'

/** All that is the same of those in one run. */
type Common = Omit<Receipt, 'decision'>
type Run = { readonly common: Common; readonly decisions: string[] }

export class ReceiptQueue {
  #runs: Run[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(answer: Answer, at: number): void {
    const last = this.#runs.at(-1)
    this.#size++
    if (last && isSame(last.common, answer, at)) last.decisions.push(answer.decision)
    else this.#runs.push(runOf(answer, at))
  }

  /** The oldest, at most so many, which wait no longer. */
  take(most: number): Receipt[] {
    const taken: Receipt[] = []
    let over = 0
    for (const { common, decisions } of this.#runs) {
      if (taken.length >= most) break
      for (const decision of decisions.splice(0, most - taken.length))
        taken.push({ ...common, decision })
      if (decisions.length === 0) over++
    }
    this.#runs.splice(0, over)
    this.#size -= taken.length
    return taken
  }

  /** The oldest go, where there are more receipts, or more runs, than this. Returns how many receipts went. */
  giveUp(most: { receipts: number; runs: number }): number {
    const runs = this.#runs.splice(0, Math.max(0, this.#runs.length - most.runs))
    const gone = runs.reduce((sum, { decisions }) => sum + decisions.length, 0)
    this.#size -= gone
    return gone + this.take(Math.max(0, this.#size - most.receipts)).length
  }

  /** What was taken and could not be said goes before all that came since. */
  putBack(receipts: readonly Receipt[]): void {
    const before = new ReceiptQueue()
    for (const receipt of receipts) before.add(receipt, receipt.at)
    this.#runs = [...before.#runs, ...this.#runs]
    this.#size += receipts.length
  }
}

function runOf({ decision, ...common }: Answer, at: number): Run {
  return { common: { ...common, at }, decisions: [decision] }
}

function isSame(common: Common, answer: Answer, at: number): boolean {
  return (
    common.at === at &&
    common.status === answer.status &&
    common.seq === answer.seq &&
    common.epoch === answer.epoch &&
    common.audience === answer.audience &&
    isPlain(common) &&
    isPlain(answer)
  )
}

/** Nothing is said of that decision alone. */
function isPlain({ code, detail, hits }: Omit<Answer, 'decision'>): boolean {
  return code === undefined && detail === undefined && hits === undefined
}
