/** The service under test: a process that is started again and again on the same data. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { giveOrders, type Running } from './orders.ts'
import type { ServiceOrder, ServiceStart } from './service-process.ts'

export type StageService = {
  start(): Promise<void>
  /** Ends it as a person would. */
  stop(): Promise<void>
  kill(): Promise<void>
  tell(order: ServiceOrder): Promise<unknown>
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Resolves when the process is gone. */
  ended(): Promise<void>
  dir: string
  database: string
  /** Of the first start. */
  adminToken(): string
}

const Started = z.object({ adminToken: z.string().nullable() })

export function makeService(start: ServiceStart, dir: string): StageService {
  let running: Running<ServiceOrder> | undefined
  let admin = ''
  const file = fileURLToPath(new URL('./service-process.ts', import.meta.url))
  const alive = () => running ?? missing()
  const ended = async () => {
    await running?.ended
    running = undefined
  }
  return {
    dir,
    database: join(dir, 'cordon.db'),
    adminToken: () => admin,
    start: async () => {
      running = giveOrders(fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
      const { adminToken } = Started.parse(await running.tell({ do: 'start', start }))
      admin ||= adminToken ?? ''
    },
    stop: async () => {
      await alive().tell({ do: 'stop' })
      alive().signal('SIGKILL')
      await ended()
    },
    kill: async () => {
      running?.signal('SIGKILL')
      await ended()
    },
    signal: (signal) => alive().signal(signal),
    tell: (order) => alive().tell(order),
    ended,
  }
}

function missing(): never {
  throw new Error('the service does not run')
}
