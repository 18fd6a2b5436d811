/** Providers of intelligence with a clock that a test moves, a store, and doubles of the vendors. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import pino from 'pino'
import { readAddress } from '#contract/address.ts'
import type { Lookup } from '#contract/connector.ts'
import type { ProviderAnswer } from '../../actions/facts/providers/provider.ts'
import { openProviders, type Providers } from '../../actions/facts/providers/providers.ts'
import { importConnector } from '../../actions/load-connectors.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { key } from './provider-doubles.ts'

export const hour = 3_600_000
export const day = 24 * hour

/** More than any test waits: whoever answers in time is never cut off by it. */
export const patient = 60_000

export type Stage = {
  store: Store
  /** Both clocks; a test moves them. */
  clock: { now: number; monotonic: number }
  pass(ms: number): void
  logged: string[]
  /** A service that starts, on the same store. */
  start(lookups: Record<string, Lookup>): Providers
}

export async function openStage(t: TestContext): Promise<Stage> {
  const store = await openStore(openSqlite(':memory:'))
  const clock = { now: Date.UTC(2026, 2, 1, 12), monotonic: 5_000 }
  const logged: string[] = []
  const started: Providers[] = []
  t.after(async () => {
    for (const providers of started) await providers.close()
    await store.close()
  })
  return {
    store,
    clock,
    logged,
    pass: (ms) => {
      clock.now += ms
      clock.monotonic += ms
    },
    start: (lookups) => {
      const providers = openProviders({
        lookups: new Map(Object.entries(lookups)),
        store,
        fetch,
        now: () => clock.now,
        monotonic: () => clock.monotonic,
        // Pauses are as long as they can be.
        random: () => 1,
        log: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
      })
      started.push(providers)
      return providers
    },
  }
}

/** The lookup of a connector as the service makes it, asking at `url`, and patient unless told otherwise. */
export async function lookupOf(
  name: string,
  url: string,
  settings: Record<string, unknown> = {},
): Promise<Lookup> {
  const connector = await importConnector(name)
  const lookup = connector.lookup?.(
    connector.settings.parse({ api_key: key, base_url: url, timeout: '1m', ...settings }),
  )
  assert.ok(lookup)
  return lookup
}

export async function askOne(
  providers: Providers,
  name: string,
  address: string,
  budgetMs = patient,
): Promise<ProviderAnswer> {
  const answer = (await providers.ask(readAddress(address), [name], budgetMs)).get(name)
  assert.ok(answer)
  return answer
}

export function isSilent(answer: ProviderAnswer | undefined, code: string, said?: RegExp): void {
  assert.ok(answer)
  assert.ok(answer.state === 'silent', JSON.stringify(answer))
  assert.equal(answer.problem.code, code, JSON.stringify(answer.problem))
  if (said) assert.match(answer.problem.detail, said)
}

export function isAnswered(
  answer: ProviderAnswer | undefined,
  expected: { score?: number; cached?: boolean; stale?: boolean; ageMs?: number } = {},
): void {
  assert.ok(answer?.state === 'answered', JSON.stringify(answer))
  const { cached, stale, ageMs, intelligence } = answer
  const said: Record<string, unknown> = { cached, stale, ageMs, score: intelligence.score }
  for (const [name, value] of Object.entries(expected)) assert.equal(said[name], value, name)
}
