/** One provider of intelligence: remembered, or else asked, once however many want to know. */
import type { Logger } from 'pino'
import { type Address, addressScope, isHost } from '#contract/address.ts'
import type { Lookup } from '#contract/connector.ts'
import type { Intelligence } from '#contract/intelligence.ts'
import { Problem, type ProblemBody, toProblem } from '#contract/problem.ts'
import type { KeptAnswer } from '../../store/intelligence.ts'
import type { Store } from '../../store/store.ts'
import type { SourceState } from '../source.ts'
import type { Clocks } from './clocks.ts'
import type { Fetch } from './fetch-answer.ts'
import { openMemory } from './memory.ts'
import { openQuestions } from './questions.ts'

export type ProviderAnswer =
  | {
      state: 'answered'
      intelligence: Intelligence
      /** Since it was asked. */
      ageMs: number
      /** Nobody had to be asked. */
      cached: boolean
      /** Older than an answer is good for: the provider is silent, and this is what it said last. */
      stale: boolean
    }
  | { state: 'silent'; problem: ProblemBody }

export type ProviderParts = Clocks & { store: Store; fetch: Fetch; log: Logger }

export type Provider = {
  /** Never rejects. `late` rejects when nobody waits any more; what comes after that is remembered. */
  ask(address: Address, late: () => Promise<never>): Promise<ProviderAnswer>
  state(): SourceState
  /** Resolves when nothing is on the way any more. */
  close(): Promise<void>
}

type Obtained = { kept: KeptAnswer; cached: boolean }

export function openProvider(name: string, lookup: Lookup, parts: ProviderParts): Provider {
  const { now, store } = parts
  const windowMs = Math.max(0, ...lookup.limits.map(({ perMs }) => perMs))
  const memory = openMemory(name, store, { keepMs: lookup.keepMs, rememberMs: windowMs }, now)
  const questions = openQuestions(name, lookup, parts)
  const underWay = new Map<string, Promise<Obtained>>()
  const storing = new Set<Promise<void>>()
  let answeredAt: number | undefined
  let counting: Promise<void> | undefined

  const countEarlier = async () => {
    const most = Math.max(0, ...lookup.limits.map(({ requests }) => requests))
    questions.recall(await memory.askedSince(now() - windowMs, most))
  }
  /** A restart does not fill the quota. Tried again where the store could not be read. */
  const counted = () => {
    counting ??= countEarlier().catch((error: unknown) => {
      counting = undefined
      throw error
    })
    return counting
  }
  /** Nobody waits for the disk: what is in memory serves as well until the next start. */
  const keep = (kept: KeptAnswer) => {
    const stored = memory.keep(kept).catch((error: unknown) => {
      parts.log.warn({ provider: name, problem: toProblem(error) }, 'an answer was not stored')
    })
    storing.add(stored)
    void stored.then(() => storing.delete(stored))
  }
  const obtain = async (address: string): Promise<Obtained> => {
    const known = await memory.find(address)
    if (known && memory.isFresh(known)) return { kept: known, cached: true }
    await counted()
    const asked = now()
    const kept = { intelligence: await questions.ask(address), asked }
    answeredAt = now()
    keep(kept)
    return { kept, cached: false }
  }
  const once = (address: string): Promise<Obtained> => {
    const same = underWay.get(address)
    if (same) return same
    const started = obtain(address).finally(() => underWay.delete(address))
    underWay.set(address, started)
    return started
  }
  const answer = ({ kept, cached }: Obtained): ProviderAnswer => ({
    state: 'answered',
    intelligence: kept.intelligence,
    ageMs: Math.max(0, now() - kept.asked),
    cached,
    stale: !memory.isFresh(kept),
  })
  return {
    ask: async (address, late) => {
      try {
        refuseUnaskable(name, address)
        const known = memory.recall(address.text)
        if (known && memory.isFresh(known)) return answer({ kept: known, cached: true })
        return answer(await Promise.race([once(address.text), late()]))
      } catch (error) {
        const known = memory.recall(address.text)
        if (known) return answer({ kept: known, cached: true })
        return { state: 'silent', problem: toProblem(error).toJSON() }
      }
    },
    state: () => {
      const problem = questions.problem()
      return {
        name,
        kind: 'provider',
        state: problem ? 'silent' : 'ready',
        ...(problem ? { problem: problem.toJSON() } : {}),
        ...(answeredAt === undefined ? {} : { age: Math.max(0, now() - answeredAt) }),
        details: { ...questions.details(), remembered: memory.size() },
      }
    },
    close: async () => {
      questions.stop()
      await Promise.allSettled(underWay.values())
      await Promise.all(storing)
    },
  }
}

/** What is ours is nobody's business, and no provider speaks of a whole network. */
function refuseUnaskable(name: string, address: Address): void {
  const scope = addressScope(address)
  if (!isHost(address))
    throw new Problem('unsupported', `${name} is asked about hosts, not about ${address.text}`)
  if (scope === 'private' || scope === 'special')
    throw new Problem('unsupported', `${address.text} is ${scope} and is told to nobody outside`)
}
