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
  const waiters = new Map<string, Set<Waiter>>()
  return {
    wait: (decision, wanted, ms) => {
      if (wanted === 0 || ms <= 0) return Promise.resolve()
      return new Promise((resolve) => {
        const beside = waiters.get(decision) ?? new Set()
        const done = () => {
          clearTimeout(timer)
          beside.delete(waiter)
          if (beside.size === 0) waiters.delete(decision)
          resolve()
        }
        const timer = setTimeout(done, ms)
        const waiter = { nodes: new Set<string>(), wanted, done }
        waiters.set(decision, beside.add(waiter))
      })
    },
    hear: (node, receipts) => {
      if (waiters.size === 0) return
      for (const { decision } of receipts)
        for (const waiter of [...(waiters.get(decision) ?? [])])
          if (waiter.nodes.add(node).size >= waiter.wanted) waiter.done()
    },
  }
}
