/** Receipts wait for the end of a load, and then all of them go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Answer } from '../../agent/differences.ts'
import { Reporter } from '../../agent/report.ts'
import { decision, today } from './signer.ts'

test('receipts wait while a whole state is enforced, and go 5,000 in a request when it is', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let loading = true
  const sizes: number[] = []
  const reporter = reporterTo(
    (receipts) => sizes.push(receipts.length),
    () => loading,
  )
  for (let n = 0; n < 12_000; n += 1_000) reporter.answers(answers(n, 1_000))
  context.mock.timers.tick(1_000)
  assert.deepEqual(sizes, [])
  loading = false
  context.mock.timers.tick(100)
  await reporter.stop()
  assert.deepEqual(sizes.slice(0, 1), [5_000])
  assert.equal(reporter.backlog.waiting, 7_000, 'a stop waits only for what is on its way')
})

test('a relay that takes no large request gets smaller ones, and none is given up', async () => {
  const sizes: number[] = []
  const reporter = reporterTo((receipts) => {
    if (receipts.length > 1_500) throw new Problem('too_large', 'no')
    sizes.push(receipts.length)
  })
  reporter.answers(answers(0, 5_000))
  while (!reporter.idle) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(sizes, [1_250, 1_250, 1_250, 1_250])
  assert.deepEqual(reporter.backlog, { waiting: 0, givenUp: 0 })
  await reporter.stop()
})

test('one receipt that the service refuses costs none of the others', async () => {
  const taken: string[] = []
  const reporter = reporterTo((receipts) => {
    const names = receipts.map((one) => one.decision)
    if (names.includes(decision(77))) throw new Problem('invalid_input', 'no such receipt')
    taken.push(...names)
  })
  reporter.answers(answers(0, 1_000))
  while (!reporter.idle) await new Promise(setImmediate)
  assert.equal(new Set(taken).size, 999)
  assert.equal(taken.length, 999)
  assert.deepEqual(reporter.backlog, { waiting: 0, givenUp: 1 })
})

test('an older service, which does not know what was stopped, gets all the receipts without that', async () => {
  const taken: string[] = []
  const reporter = reporterTo((receipts) => {
    if (receipts.some(({ hits }) => hits)) throw new Problem('invalid_input', 'unrecognized key')
    taken.push(...receipts.map((one) => one.decision))
  })
  const hits = { packets: 3, last: today }
  reporter.answers(answers(0, 1_000).map((one) => ({ ...one, hits })))
  while (!reporter.idle) await new Promise(setImmediate)
  assert.equal(taken.length, 1_000)
  assert.equal(reporter.backlog.givenUp, 0)
  await reporter.stop()
})

function answers(from: number, count: number): Answer[] {
  return Array.from({ length: count }, (_, n) => ({
    decision: decision(from + n),
    status: 'applied',
    audience: 'all',
    epoch: 1,
    seq: 1,
  }))
}

test('a heartbeat counts as heard only when the service has answered', async () => {
  const heard: unknown[] = []
  let away = true
  const hit = { decision: decision(1), packets: 3, last: today }
  const reporter = new Reporter({
    service: {
      ask: async () => {
        if (away) throw new Problem('service_unreachable', 'away')
        return { time: today }
      },
      text: assert.fail,
      stream: assert.fail,
      close: () => {},
    },
    now: () => today,
    monotonic: () => 0,
    state: () => ({
      ...{ version: '1', backend: 'nft', enforcing: true, cursor: '', claims: 1, elements: 1 },
      ...{ clock_offset_ms: 0, started: today, hits: [hit] },
    }),
    measured: () => {},
    heard: ({ hits }) => heard.push(hits),
    happened: () => {},
    loading: () => false,
  })
  await assert.rejects(reporter.heartbeat())
  assert.deepEqual(heard, [])
  away = false
  await reporter.heartbeat()
  assert.deepEqual(heard, [[hit]])
})

/** Of a service that only takes receipts, or throws. */
function reporterTo(take: (receipts: Answer[]) => void, loading = () => false): Reporter {
  const unused = () => assert.fail('not asked for here')
  return new Reporter({
    service: {
      ask: async (_method, _path, more) => {
        const { receipts }: { receipts: Answer[] } = JSON.parse(JSON.stringify(more?.body))
        take(receipts)
      },
      text: unused,
      stream: unused,
      close: () => {},
    },
    now: () => today,
    monotonic: () => 0,
    state: unused,
    measured: unused,
    heard: unused,
    happened: unused,
    loading,
  })
}
