/** Asks providers about the attackers of what waits, and hands each on when all have answered or were given up. */
import type { Logger } from 'pino'
import { maybeAddress } from '#contract/address.ts'
import type { IntelligenceFact } from '../decide/outside.ts'
import type { Policy } from '../decide/policy.ts'
import type { FactSources } from '../facts/sources.ts'
import { listPending, type Pending } from '../store/pending.ts'
import type { Store } from '../store/store.ts'
import type { Given } from './enrich.ts'

/** Attackers asked about at the same time; the rest waits its turn. */
const atOnce = 64

/** Above this an alert is judged as if its providers were silent: an attack by many must not fill the memory. */
const mostWaiting = 10_000

/** After the store refused: what waits is on the disk, so nothing is lost meanwhile. */
const retryMs = 2_000

export type Asking = {
  /** What is on the disk as pending. */
  later(pending: readonly Pending[]): void
  /** Takes up again what an earlier run left, but not what came since. */
  resume(): Promise<void>
  waiting(): number
  /** Resolves when nothing is being asked. */
  settled(): Promise<void>
  /** Waits for what is being stored, and for no provider. */
  stop(): Promise<void>
}

export type AskParts = {
  store: Store
  sources: FactSources
  log: Logger
  policy(): Policy
  /** Judges an alert anew with what was said. */
  judge(alert: Pending['alert'], given: Given): Promise<unknown>
  /** Confirms or ends a provisional block with what was said. */
  confirm(pending: Pending, said: Readonly<Record<string, IntelligenceFact>>): Promise<unknown>
  pause(ms: number, stop: AbortSignal): Promise<void>
}

export function openAsking(parts: AskParts): Asking {
  const waiting: Pending[] = []
  const stop = new AbortController()
  const working = new Map<Pending, Promise<void>>()

  const work = async (pending: Pending): Promise<void> => {
    const said =
      waiting.length > mostWaiting
        ? silence(pending, `more than ${mostWaiting} alerts wait for an answer`)
        : await unlessStopped(ask(parts, pending), stop.signal)
    if (said === undefined) return
    while (!stop.signal.aborted) {
      try {
        await handOn(parts, pending, said)
        return
      } catch (error) {
        parts.log.error({ err: error, alert: pending.alert.id }, 'an answer waits for the store')
        await parts.pause(retryMs, stop.signal)
      }
    }
  }

  const next = (): void => {
    while (working.size < atOnce && !stop.signal.aborted) {
      const pending = waiting.shift()
      if (!pending) return
      const task = work(pending).finally(() => {
        working.delete(pending)
        next()
      })
      working.set(pending, task)
    }
  }

  const later = (pending: readonly Pending[]): void => {
    waiting.push(...pending)
    next()
  }

  return {
    later,
    resume: async () => {
      const left = await listPending(parts.store.read)
      const known = new Set([...waiting, ...working.keys()].map(({ alert }) => alert.id))
      later(left.filter(({ alert }) => !known.has(alert.id)))
    },
    waiting: () => waiting.length + working.size,
    settled: async () => {
      while (working.size > 0) await Promise.all(working.values())
    },
    stop: async () => {
      stop.abort()
      await Promise.all(working.values())
    },
  }
}

/** Undefined when stopped: what was asked about is on the disk. */
function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
  const end = () => resolve(undefined)
  stop.addEventListener('abort', end)
  work.then(resolve, reject).finally(() => stop.removeEventListener('abort', end))
  return promise
}

function silence(
  { providers }: Pending,
  problem: string,
): Readonly<Record<string, IntelligenceFact>> {
  return Object.fromEntries(providers.map((name) => [name, { state: 'silent', problem }]))
}

function ask(
  { sources, policy }: AskParts,
  { alert, providers }: Pending,
): Promise<Readonly<Record<string, IntelligenceFact>>> {
  const attacker = maybeAddress(alert.attacker ?? '')
  if (!attacker) return Promise.resolve({})
  const waits = providers.map((name) => policy().sources.get(name)?.wait ?? defaultWaitMs)
  return sources.ask(attacker, providers, Math.max(...waits, 0))
}

/** Of providers of which the policy says nothing. */
const defaultWaitMs = 2_000

function handOn(
  { judge, confirm }: AskParts,
  pending: Pending,
  said: Readonly<Record<string, IntelligenceFact>>,
): Promise<unknown> {
  if (pending.provisional) return confirm(pending, said)
  return judge(pending.alert, new Map([[pending.alert.id, said]]))
}
