/** Lets a caller wait until the nodes have confirmed a decision, so that an answer need not say "done" before it is. */
import type { Receipt } from '#contract/receipt.ts'

export type Confirmations = {
  /** Resolves when so many nodes have answered for the decision, or after the time. */
  wait(decision: string, nodes: number, ms: number): Promise<void>
  /** Called with what each node says. */
  hear(node: string, receipts: readonly Receipt[]): void
}

type Waiter = { nodes: Set<string>; wanted: number; done: () => void }

export function openConfirmations(): Confirmations {
  const waiters = new Map<string, Waiter>()
  return {
    wait: (decision, wanted, ms) => {
      if (wanted === 0 || ms <= 0) return Promise.resolve()
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          waiters.delete(decision)
          resolve()
        }
        const timer = setTimeout(done, ms)
        waiters.set(decision, { nodes: new Set(), wanted, done })
      })
    },
    hear: (node, receipts) => {
      if (waiters.size === 0) return
      for (const { decision } of receipts) {
        const waiter = waiters.get(decision)
        waiter?.nodes.add(node)
        if (waiter && waiter.nodes.size >= waiter.wanted) waiter.done()
      }
    },
  }
}
