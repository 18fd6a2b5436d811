/** What still comes is told by the decisions that stop it, once, and as long as it goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Direction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { Hits } from '../../agent/hits.ts'
import type { Hit, ScopedHit } from '../../agent/kernel/firewall.ts'
import { type Claim, Wished } from '../../agent/wished.ts'
import { decision, today } from './signer.ts'

test('a hit by address is told by every plain block around it, and by none of a part of the traffic', async () => {
  const { wish, hit, hits, pass } = counting()
  pass(15_000)
  wish(1, '203.0.113.7')
  wish(2, '203.0.113.0/24')
  wish(3, '203.0.113.7', undefined, 'both')
  wish(4, '203.0.113.7', { protocol: 'tcp', ports: ['22'] })
  wish(5, '203.0.113.7', { action: 'allow' })
  wish(6, '203.0.113.8')
  hit('203.0.113.7', 10, 2_000)
  hit('198.51.100.1', 99, 0)
  await hits.read()
  const last = today - 2_000
  assert.deepEqual(
    hits.news().sort((a, b) => (a.decision < b.decision ? -1 : 1)),
    [1, 2, 3].map((n) => ({ decision: decision(n), packets: 10, last })),
  )
  assert.deepEqual(hits.total, { decisions: 3, packets: 30 })
})

test('a block of what comes in tells nothing of what was stopped on its way out', async () => {
  const { wish, hit, hits } = counting()
  wish(1, '203.0.113.7', undefined, 'in')
  wish(2, '203.0.113.7', undefined, 'out')
  wish(3, '203.0.113.7', undefined, 'both')
  hit('203.0.113.7', 5, 0, 'out')
  hit('203.0.113.7', 2, 0, 'in')
  await hits.read()
  const told = hits.news().map((one) => [one.decision, one.packets])
  assert.deepEqual(told, [
    [decision(3), 7],
    [decision(2), 5],
    [decision(1), 2],
  ])
})

test('an order of a part of the traffic tells what its own counters counted, whatever else stopped its address', async () => {
  const { wish, hit, stop, hits, pass } = counting()
  const ssh: Claim['scoped'] = { protocol: 'tcp', ports: ['22'] }
  wish(1, '203.0.113.7', ssh)
  wish(2, '203.0.113.7', { protocol: 'tcp', ports: ['80'] })
  wish(3, '203.0.113.7')
  wish(4, '203.0.113.7', ssh)
  hit('203.0.113.7', 100, 0)
  stop(1, 3)
  await hits.read()
  pass(15_000)
  stop(1, 2)
  await hits.read()
  const told = hits.news().map((one) => [one.decision, one.packets])
  assert.deepEqual(
    told.sort(([, a], [, b]) => Number(b) - Number(a)),
    [
      [decision(3), 100],
      [decision(1), 5],
      [decision(4), 5],
    ],
  )
})

test('what somebody lifts is counted once more soon after a reading, and what ends by itself only where that costs little', async () => {
  const { wish, hits, reads, pass, takes } = counting()
  wish(1, '203.0.113.7')
  takes(20)
  await hits.read()
  pass(150)
  await hits.count(false)
  assert.equal(reads(), 1)
  await hits.count(true)
  assert.equal(reads(), 2)
  await hits.count(true)
  assert.equal(reads(), 2)
  pass(1_000)
  await hits.count(false)
  assert.equal(reads(), 3)
})

test('the last word about a decision says what it stopped, and that of a renewed one what it did until now', async () => {
  const { wish, lift, hit, stop, hits } = counting()
  wish(1, '203.0.113.7')
  wish(2, '203.0.113.8', { protocol: 'tcp', ports: ['22'] })
  wish(3, '203.0.113.9')
  hit('203.0.113.7', 10, 1_000)
  await hits.read()
  stop(2, 4)
  await hits.count(false)
  wish(1, '203.0.113.7')
  const said = (n: number, status: 'ended' | 'applied' | 'failed') =>
    ({ audience: 'all', decision: decision(n), epoch: 1, seq: 1, status }) as const
  const first = { packets: 10, last: today - 1_000 }
  assert.deepEqual(hits.withHits([said(1, 'applied'), said(2, 'failed')]), [
    { ...said(1, 'applied'), hits: first },
    said(2, 'failed'),
  ])
  lift(1)
  lift(2)
  lift(3)
  await hits.read()
  assert.deepEqual(hits.withHits([said(1, 'ended'), said(2, 'ended'), said(3, 'ended')]), [
    { ...said(1, 'ended'), hits: first },
    { ...said(2, 'ended'), hits: { packets: 4, last: today } },
    said(3, 'ended'),
  ])
  assert.deepEqual(hits.withHits([said(1, 'ended')]), [said(1, 'ended')])
  assert.deepEqual(hits.total, { decisions: 0, packets: 0 })
})

test('what the service has heard is not told again, and what it has not is', async () => {
  const { wish, hit, hits } = counting()
  wish(1, '203.0.113.7')
  hit('203.0.113.7', 10, 0)
  await hits.read()
  const first = hits.news()
  hit('203.0.113.7', 15, 0)
  await hits.read()
  hits.told(first)
  assert.deepEqual(
    hits.news().map(({ packets }) => packets),
    [15],
  )
  hits.told(hits.news())
  await hits.read()
  assert.deepEqual(hits.news(), [])
})

test('a heartbeat has at most five hundred, the largest changes first, and the others come later', async () => {
  const { wish, hit, hits } = counting()
  for (let n = 0; n < 600; n++) {
    wish(n, `198.18.${n >> 8}.${n & 255}`)
    hit(`198.18.${n >> 8}.${n & 255}`, n + 1, 0)
  }
  await hits.read()
  const first = hits.news()
  assert.deepEqual([first.length, first[0]?.packets, first.at(-1)?.packets], [500, 600, 101])
  hits.told(first)
  assert.equal(hits.news().length, 100)
})

test('a counter that the kernel began anew goes on where it was', async () => {
  const { wish, hit, hits } = counting()
  wish(1, '203.0.113.7')
  hit('203.0.113.7', 10, 0)
  await hits.read()
  hit('203.0.113.7', 3, 0)
  await hits.read()
  assert.equal(hits.news()[0]?.packets, 13)
})

test('what was counted before the agent started, or before anything was blocked, is no news', async () => {
  const { wish, hit, hits, pass } = counting()
  hit('203.0.113.7', 10, 600_000)
  await hits.read()
  pass(60_000)
  wish(1, '203.0.113.7')
  await hits.read()
  assert.deepEqual(hits.news(), [])
  pass(15_000)
  hit('203.0.113.7', 11, 1_000)
  await hits.read()
  assert.deepEqual(
    hits.news().map(({ packets }) => packets),
    [1],
  )
})

test('a block that comes back on an address tells nothing of what an earlier one of it stopped', async () => {
  const { wish, lift, hit, hits, pass } = counting()
  wish(1, '203.0.113.7')
  hit('203.0.113.7', 10, 0)
  await hits.read()
  lift(1)
  await hits.read()
  pass(15_000)
  wish(2, '203.0.113.7')
  hit('203.0.113.7', 12, 0)
  await hits.read()
  assert.deepEqual(
    hits.news().map((one) => [one.decision, one.packets]),
    [[decision(2), 2]],
  )
})

test('a renewed decision goes on counting, a lifted one is forgotten', async () => {
  const { wish, lift, hit, hits } = counting()
  wish(1, '203.0.113.7')
  wish(2, '203.0.113.8')
  hit('203.0.113.7', 10, 0)
  hit('203.0.113.8', 10, 0)
  await hits.read()
  wish(1, '203.0.113.7')
  lift(2)
  hit('203.0.113.7', 12, 0)
  await hits.read()
  assert.deepEqual(
    hits.news().map((one) => [one.decision, one.packets]),
    [[decision(1), 12]],
  )
})

test('a kernel that cannot be read leaves the blocks alone and says why nothing is counted', async () => {
  const { wish, hits, fail, problem } = counting()
  wish(1, '203.0.113.7')
  fail(new Problem('kernel_refused', 'no such set'))
  await hits.read()
  assert.equal(problem()?.message, 'no such set')
  assert.deepEqual(hits.news(), [])
  fail(undefined)
  await hits.read()
  assert.equal(problem(), undefined)
})

test('nothing is read while nothing is in force', async () => {
  const { hits, reads } = counting()
  await hits.read()
  assert.equal(reads(), 0)
})

test('one look that takes long does not put off the next; two in a row do', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { wish, hits, reads, pass, takes } = counting()
  const after = async (ms: number) => {
    pass(ms)
    t.mock.timers.tick(ms)
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
    return reads()
  }
  wish(1, '203.0.113.7')
  hits.begin()
  takes(2_000)
  assert.equal(await after(15_000), 1)
  assert.equal(await after(15_000), 2)
  assert.equal(await after(99_000), 2)
  assert.equal(await after(1_000), 3)
  takes(0)
  assert.equal(await after(100_000), 4)
  assert.equal(await after(15_000), 5)
})

function counting() {
  const wished = new Wished()
  const found = new Map<string, Hit>()
  let stopped: ScopedHit[] = []
  let [elapsed, count, readingMs] = [0, 0, 0]
  let refusal: Problem | undefined
  let told: Problem | undefined
  const firewall = {
    enforcing: true,
    hits: async () => {
      count++
      if (refusal) throw refusal
      return [...found.values()]
    },
    scopedHits: async () => {
      elapsed += readingMs
      const news = stopped
      stopped = []
      return news
    },
  }
  const hits = new Hits({
    ...{ firewall, wished, now: () => today, monotonic: () => elapsed },
    health: (problem) => {
      told = problem
    },
  })
  return {
    hits,
    reads: () => count,
    problem: () => told,
    fail: (why: Problem | undefined) => {
      refusal = why
    },
    pass: (ms: number) => {
      elapsed += ms
    },
    takes: (ms: number) => {
      readingMs = ms
    },
    hit: (address: string, packets: number, agoMs: number, side: 'in' | 'out' = 'in') =>
      void found.set(`${side} ${address}`, { side, address, packets, agoMs }),
    /** By the elements of this decision. */
    stop: (n: number, packets: number) => {
      const claim = wished.get('all', decision(n))
      const elements = wished.scopes
        .elements()
        .filter((element) => claim && wished.scopes.claimsOf(element).includes(claim))
      stopped = [...stopped, ...elements.map((element) => ({ element, packets }))]
    },
    lift: (n: number) => void wished.remove('all', decision(n), () => {}),
    wish: (n: number, target: string, scoped?: Claim['scoped'], direction: Direction = 'in') => {
      const plain = { audience: 'all', decision: decision(n), target, direction }
      const claim = { ...plain, end: today + 600_000, ...(scoped ? { scoped } : {}) }
      wished.add(claim, readAddress(target), () => {})
    },
  }
}
