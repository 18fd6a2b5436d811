/** A list of a million hosts and networks: how long an address is looked up, and what the list costs. */

import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pino } from 'pino'
import { readAddress } from '#contract/address.ts'
import { openLists } from '../../actions/facts/lists/lists.ts'
import { ListsSettings } from '../../actions/facts/lists/settings.ts'
import { type Figure, rounded } from './figure.ts'

const size = 1_000_000
const lookups = 1_000_000

export async function measureLists(): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-'))
  try {
    const file = join(dir, 'million.netset')
    const next = pseudoRandom(12_345)
    await writeList(file, next)
    const before = process.memoryUsage().rss
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const started = performance.now()
    const lists = openLists(ListsSettings.parse([{ name: 'million', file }]), {
      now: Date.now,
      random: Math.random,
      fetch,
      dir: join(dir, 'lists'),
      log: pino({ level: 'silent' }),
      protectedNetworks: () => [readAddress('192.0.2.1')],
    })
    await lists.look()
    const seconds = (performance.now() - started) / 1_000
    delay.disable()
    const memory = (process.memoryUsage().rss - before) / 1e6
    const [state] = lists.sources()
    if (state?.state !== 'ready') throw new Error(state?.problem?.detail ?? 'the list is silent')
    const ranges = String(state.details.ranges)
    const { us, share } = lookUp((address) => lists.namesOf(address).length > 0, next)
    const detail = `${size} hosts and /24, n=${lookups}, ${rounded(share * 100)} % listed`
    const cost = `resident, more than before, ${ranges} ranges; read in ${rounded(seconds)} s beside the event loop, which waited ${rounded(delay.max / 1e6)} ms at most`
    return [
      { name: 'list_lookup_us', value: rounded(us), unit: 'µs', goal: '<= 2', detail },
      { name: 'list_memory_mb_1m', value: rounded(memory), unit: 'MB', goal: '', detail: cost },
    ]
  } finally {
    rmSync(dir, { recursive: true })
  }
}

function lookUp(
  isListed: (address: ReturnType<typeof readAddress>) => boolean,
  next: () => number,
) {
  const asked = Array.from({ length: 10_000 }, () => readAddress(host(next)))
  const round = () => asked.filter(isListed).length
  for (let n = 0; n < 10; n++) round()
  const started = performance.now()
  let listed = 0
  for (let n = 0; n < lookups / asked.length; n++) listed += round()
  return { us: ((performance.now() - started) * 1_000) / lookups, share: listed / lookups }
}

async function writeList(file: string, next: () => number): Promise<void> {
  const stream = createWriteStream(file)
  for (let n = 0; n < size; n += 1_000) {
    const lines = Array.from({ length: 1_000 }, (_, at) =>
      at % 2 === 0 ? host(next) : host(next).replace(/\d+$/, '0/24'),
    )
    if (!stream.write(`${lines.join('\n')}\n`)) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'close')
}

/** In what is public of 11.0.0.0 to 99.255.255.255; nothing is sent there. */
function host(next: () => number): string {
  const value = next()
  return [
    11 + ((value >>> 24) % 89),
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    next() >>> 24,
  ].join('.')
}

function pseudoRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state
  }
}
