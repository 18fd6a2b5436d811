/** How a test talks with the processes that it started: numbered orders and their answers, by IPC. */
import type { ChildProcess } from 'node:child_process'

type Numbered<Order> = { id: number; order: Order }
type Answer = { id: number; value?: unknown; error?: string }

/** In the process: each order is answered with what `obey` returns. */
export function answerOrders<Order>(obey: (order: Order) => Promise<unknown>): void {
  process.on('message', async ({ id, order }: Numbered<Order>) => {
    try {
      process.send?.({ id, value: await obey(order) } satisfies Answer)
    } catch (error) {
      process.send?.({ id, error: String(error) } satisfies Answer)
    }
  })
  // Whoever started this is gone: nothing is left behind.
  process.once('disconnect', () => process.exit(1))
}

/** As if the power of this process alone had gone. */
export function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('the process outlived its death')
}

export type Running<Order> = {
  pid: number
  /** Rejects when the process refuses, or ends before it answered. */
  tell(order: Order): Promise<unknown>
  /** Resolves when it has ended, by itself or not. */
  ended: Promise<void>
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
}

let numbers = 0

/** In the test: the other end. */
export function giveOrders<Order>(child: ChildProcess): Running<Order> {
  const pending = new Map<number, (answer: Answer) => void>()
  child.on('message', (answer: Answer) => {
    pending.get(answer.id)?.(answer)
    pending.delete(answer.id)
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  void ended.then(() => {
    for (const [id, answer] of pending) answer({ id, error: 'the process ended' })
  })
  return {
    pid: child.pid ?? 0,
    ended,
    signal: (signal) => void child.kill(signal),
    tell: async (order) => {
      const id = ++numbers
      const answered = new Promise<Answer>((resolve) => pending.set(id, resolve))
      child.send({ id, order } satisfies Numbered<Order>, () => {})
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('it has ended')
      const { value, error } = await answered
      if (error !== undefined) throw new Error(error)
      return value
    },
  }
}
