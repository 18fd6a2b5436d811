/** What local facts add to the judgement of one alert: the same alerts with and without places and lists. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { readAddress } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { decide } from '../../actions/decide/decide.ts'
import { nothingOutside, type Outside } from '../../actions/decide/outside.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { openLists } from '../../actions/facts/lists/lists.ts'
import { ListsSettings } from '../../actions/facts/lists/settings.ts'
import { openSources } from '../../actions/facts/open-sources.ts'
import { openPlaces } from '../../actions/facts/places/places.ts'
import { openProviders } from '../../actions/facts/providers/providers.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { type Figure, percentile, rounded } from './figure.ts'

const listCount = 5
const listSize = 100_000
const alerts = 50_000

const rules = (when: string) => `
version: 1
rules:
  - { name: bench, because: bench, when: '${when}', verdict: block, for: 1h }
`
const asked = Array.from({ length: listCount }, (_, n) => `!listed("list${n}")`).join(' && ')

export async function measureFacts(): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-'))
  const store = await openStore(openSqlite(':memory:'))
  const log = pino({ level: 'silent' })
  const deps = { log, now: Date.now, fetch, random: Math.random }
  const lists = openLists(ListsSettings.parse(writeLists(dir)), {
    ...deps,
    dir: join(dir, 'lists'),
    protectedNetworks: () => [],
  })
  const places = openPlaces({}, deps)
  const providers = openProviders({
    ...deps,
    lookups: new Map(),
    store,
    monotonic: () => performance.now(),
  })
  await Promise.all([lists.look(), places.look()])
  const sources = openSources({ places, lists, providers })
  try {
    const plain = judge(rules('alert.severity >= 70'), () => nothingOutside)
    const full = judge(
      rules(`alert.severity >= 70 && place.country != "XX" && ${asked}`),
      (at) => ({
        ...sources.of(readAddress(at)),
        intelligence: {},
      }),
    )
    const added = percentile(full, 0.99) - percentile(plain, 0.99)
    const detail = `country and ${listCount} lists of ${listSize} each, asked for, kept as JSON; p50 ${rounded(percentile(full, 0.5) - percentile(plain, 0.5))} ms, n=${alerts}`
    return [
      { name: 'enrich_local_p99_ms', value: rounded(added), unit: 'ms', goal: '<= 1', detail },
    ]
  } finally {
    await sources.close()
    await store.close()
    rmSync(dir, { recursive: true })
  }
}

/** Ms of each alert: facts gathered, judged, and what is stored of them written out. */
function judge(policyText: string, outsideOf: (attacker: string) => Outside): number[] {
  const policy = readPolicy(policyText)
  const now = Date.UTC(2026, 2, 1)
  const once = (n: number): number => {
    const alert = alertOf(n, now)
    const started = performance.now()
    const outside = outsideOf(alert.attacker ?? '')
    const facts = {
      history: [],
      offences: 0,
      own: [],
      blocksInForce: 0,
      blocksLastMinute: 0,
      sheltered: [],
      outside,
    }
    decide({ alert, facts, policy, now })
    JSON.stringify(outside)
    return performance.now() - started
  }
  for (let n = 0; n < 5_000; n++) once(n)
  return Array.from({ length: alerts }, (_, n) => once(n))
}

function alertOf(n: number, now: number): Alert {
  const time = new Date(now).toISOString()
  return {
    version: 1,
    id: `bench-${n}`,
    source: 'bench',
    observed: time,
    received: time,
    rule: { id: '1', name: 'bench', severity: 80, groups: [], mitre: [] },
    attacker: hostOf(n * 7_919),
    count: 1,
    original: '',
    original_cut: false,
  }
}

function writeLists(dir: string): object[] {
  return Array.from({ length: listCount }, (_, list) => {
    const file = join(dir, `list${list}.netset`)
    const hosts = Array.from({ length: listSize }, (_, n) => hostOf(n * 9_973 + list * 31))
    writeFileSync(file, `${hosts.join('\n')}\n`)
    return { name: `list${list}`, file }
  })
}

/** In what is public of 11.0.0.0 to 90.255.255.255; nothing is sent there. */
function hostOf(n: number): string {
  const value = Math.imul(n + 1, 2_654_435_761) >>> 0
  return [11 + ((value >>> 24) % 80), (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(
    '.',
  )
}
