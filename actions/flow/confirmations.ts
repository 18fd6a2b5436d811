/** Lets a caller wait until the nodes have confirmed decisions, so that an answer need not say "done" before it is. */
import type { Receipt } from '#contract/receipt.ts'

export type Confirmations = {
  /** Begins to listen; to be called before the decision is made, since a node may answer before its maker does. */
  listen(): Listening
  /** Called with what each node says. */
  hear(node: string, receipts: readonly Receipt[]): void
}

export type Listening = {
  /** Resolves when so many nodes have answered for each decision since listening began, or after the time. Ends it. */
  until(nodes: ReadonlyMap<string, number>, ms: number): Promise<void>
  end(): void
}

/** Whom one listener has heard, by decision, and what it does at each further word. */
type Listener = { heard: Map<string, Set<string>>; changed: () => void }

export function openConfirmations(): Confirmations {
  const listeners = new Set<Listener>()
  return {
    listen: () => {
      const listener: Listener = { heard: new Map(), changed: () => {} }
      listeners.add(listener)
      const end = () => void listeners.delete(listener)
      return {
        end,
        until: (nodes, ms) => wait(listener, nodes, ms).finally(end),
      }
    },
    hear: (node, receipts) => {
      for (const listener of listeners) {
        for (const { decision } of receipts)
          listener.heard.set(decision, (listener.heard.get(decision) ?? new Set()).add(node))
        listener.changed()
      }
    },
  }
}

function wait(listener: Listener, nodes: ReadonlyMap<string, number>, ms: number): Promise<void> {
  const isHeard = (decision: string, wanted: number) =>
    (listener.heard.get(decision)?.size ?? 0) >= wanted
  return new Promise((resolve) => {
    if (ms <= 0) return resolve()
    const timer = setTimeout(resolve, ms)
    listener.changed = () => {
      for (const [decision, wanted] of nodes) if (!isHeard(decision, wanted)) return
      clearTimeout(timer)
      resolve()
    }
    listener.changed()
  })
}
