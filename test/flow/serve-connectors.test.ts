/** Parts of connectors that run as long as the service: started again, shown, and told what Cordon knows. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import pino from 'pino'
import { z } from 'zod'
import type { Cordon, Server } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import type { SourceHealth } from '../../actions/flow/pull.ts'
import { serveConnectors } from '../../actions/flow/serve-connectors.ts'
import { insertAlerts } from '../../actions/store/alerts.ts'
import { type Decision, insertDecisions } from '../../actions/store/decisions.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { noSources } from '../no-sources.ts'

const now = Date.UTC(2026, 2, 1)

describe('a part that serves', () => {
  test('is away until it has reached whom it serves, then counts what it does', async (t) => {
    const { health, reported } = await stage(t, async (stop, report) => {
      report('ready')
      report('done')
      report(new Problem('invalid_input', 'no such thing', { remedy: 'ask for another' }))
      await until(stop)
    })
    await reported(3)
    assert.deepEqual(health, [
      {
        connector: 'example',
        source: 'part',
        state: 'following',
        records: 2,
        refused: 1,
        last: '2026-03-01T00:00:00.000Z',
        problem: 'no such thing',
        code: 'invalid_input',
        remedy: 'ask for another',
      },
    ])
  })

  test('that fails is away with the reason, and starts again after growing pauses', async (t) => {
    const { pauses, health, paused } = await stage(t, () =>
      Promise.reject(new Problem('service_unreachable', 'nobody there')),
    )
    await paused(8)
    assert.deepEqual(pauses.slice(0, 8), [1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 6e4, 6e4])
    assert.deepEqual([health[0]?.state, health[0]?.problem], ['away', 'nobody there'])
  })

  test('that worked in between starts again soon', async (t) => {
    const { pauses, paused } = await stage(t, async (_, report) => {
      report('done')
      throw new Error('cut')
    })
    await paused(3)
    assert.deepEqual(pauses.slice(0, 3), [1e3, 1e3, 1e3])
  })

  test('that fails at the same work as soon as it is ready starts again after growing pauses too', async (t) => {
    const { pauses, paused } = await stage(t, (_, report) => {
      report('ready')
      return Promise.reject(new Problem('service_unreachable', 'this job fails'))
    })
    await paused(4)
    assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 8_000])
  })

  test('that was ready for a minute before it failed starts again soon', async (t) => {
    let tick = () => {}
    const { clock, pauses, paused } = await stage(t, (_, report) => {
      report('ready')
      tick()
      return Promise.reject(new Problem('service_unreachable', 'it broke off'))
    })
    tick = () => {
      clock.now += 60_000
    }
    await paused(8)
    assert.deepEqual(new Set(pauses.slice(4, 8)), new Set([1_000]))
  })

  test('waits as long as the other side asks for, but not for ever', async (t) => {
    const asking = [7_000, 86_400_000]
    const { pauses, paused } = await stage(t, () =>
      Promise.reject(new Problem('rate_limited', 'slowly', { retryMs: asking.shift() })),
    )
    await paused(2)
    assert.deepEqual(pauses.slice(0, 2), [7_000, 600_000])
  })

  test('keeps short texts over restarts, apart from those of others', async (t) => {
    const { cordon, clock } = await stage(t, until)
    assert.equal(await cordon().recall('a'), undefined)
    await cordon().remember('a', 'first')
    await cordon().remember('a', 'second')
    assert.equal(await cordon().recall('a'), 'second')
    assert.equal(await cordon().recall('b'), undefined)
    clock.now += 91 * 24 * 3_600_000
    await cordon().remember('b', 'later')
    assert.deepEqual(
      [await cordon().recall('a'), await cordon().recall('b')],
      [undefined, 'later'],
      'what nobody gave for 90 days is forgotten',
    )
  })

  test('answers a question in the name of somebody, whom the journal knows by connector', async (t) => {
    const { cordon, answers } = await stage(t, until)
    const id = 'd-4x7k2m9qz1hb0wfa'
    await cordon().answer(id, 'approve', 'anna@example.test', 'known bad')
    await cordon().answer(id, 'decline', 'anna@example.test', 'our scanner')
    const actor = 'example/anna@example.test'
    assert.deepEqual(answers, [
      { verb: 'approve', decision: id, who: { actor, reason: 'known bad' } },
      { verb: 'decline', decision: id, who: { actor, reason: 'our scanner' } },
    ])
  })

  test('hears of each push until it stops to listen', async (t) => {
    const { cordon, push } = await stage(t, until)
    let heard = 0
    const quiet = cordon().onPush(() => heard++)
    push()
    push()
    quiet()
    push()
    assert.equal(heard, 2)
  })

  test('is told what stands on an address and what was seen of exactly this one', async (t) => {
    const { cordon, store } = await stage(t, until)
    await store.write(async (tx) => {
      await insertDecisions(tx, [
        decision('1', '2001:db8::7', { state: 'applied' }),
        decision('2', '2001:db8::/64', { state: 'issued' }),
        decision('3', '2001:db8::7', { state: 'ended', ended: now - 5, notAfter: now - 5 }),
        decision('4', '2001:db8:1::/64', { state: 'issued' }),
      ])
      await insertAlerts(tx, [alert('a', '2001:db8::7'), alert('b', '2001:db8::8')])
    })
    const known = await cordon().knowledge('2001:DB8::7')
    assert.equal(known.address, '2001:db8::7')
    assert.deepEqual(
      known.decisions.map(({ id, state }) => [id.at(-1), state]),
      [
        ['1', 'applied'],
        ['2', 'issued'],
        ['3', 'ended'],
      ],
    )
    assert.deepEqual(known.alerts, [{ at: now - 1_000, source: 'webhook', rule: 'r1', count: 3 }])
    const network = await cordon().knowledge('2001:db8::/64')
    assert.equal(network.alerts.length, 2, 'whoever is counted with the network that is blocked')
    await assert.rejects(cordon().knowledge('nobody'), { code: 'address_invalid' })
  })
})

/** Resolves when stopped. */
function until(stop: AbortSignal): Promise<void> {
  return new Promise((done) => stop.addEventListener('abort', () => done(), { once: true }))
}

async function stage(t: TestContext, run: Server['run']) {
  const store = await openStore(openSqlite(':memory:'))
  const health: SourceHealth[] = []
  const pauses: number[] = []
  const waiting: { count: number; of: () => number; done: () => void }[] = []
  const look = () => {
    for (const one of waiting) if (one.of() >= one.count) one.done()
  }
  const reach = (of: () => number, count: number) =>
    new Promise<void>((done) => {
      waiting.push({ of, count, done })
      look()
    })
  let given: Cordon | undefined
  let reports = 0
  const connector = {
    name: 'example',
    title: 'Example',
    settings: z.strictObject({}),
    serve: (_: unknown, cordon: Cordon): Server[] => {
      given = cordon
      return [
        {
          key: 'part',
          run: (stop, report) =>
            run(stop, (work) => {
              report(work)
              reports++
              look()
            }),
        },
      ]
    },
  }
  const pause = async (ms: number, stop: AbortSignal) => {
    pauses.push(ms)
    look()
    // What fails without end must not keep the test from ending.
    if (pauses.length > 20) await until(stop)
    else await new Promise(setImmediate)
  }
  const clock = { now }
  const log = pino({ level: 'silent' })
  const answers: unknown[] = []
  const taken = (verb: string) => async (id: string, who: unknown) => {
    answers.push({ verb, decision: id, who })
    return decision('9', '203.0.113.9', {})
  }
  const orders = {
    approve: (id: string, _: unknown, who: unknown) => taken('approve')(id, who),
    decline: taken('decline'),
  }
  const parts = { store, sources: noSources, orders, log, now: () => clock.now, pause }
  const listeners = new Set<() => void>()
  const serving = serveConnectors(parts, [{ connector, settings: {}, listeners }], health)
  t.after(async () => {
    await serving.stop()
    await store.close()
  })
  return {
    store,
    clock,
    health,
    pauses,
    answers,
    push: () => {
      for (const listen of listeners) listen()
    },
    paused: (count: number) => reach(() => pauses.length, count),
    reported: (count: number) => reach(() => reports, count),
    cordon: () => {
      assert.ok(given)
      return given
    },
  }
}

function decision(n: string, target: string, more: Partial<Decision>): Decision {
  return {
    id: `d-${n.padStart(16, '0')}`,
    state: 'issued',
    outcome: 'block',
    origin: 'manual',
    rule: null,
    target,
    offender: null,
    direction: 'in',
    audience: ['all'],
    lengthMs: 1,
    created: now - 10,
    issued: now - 10,
    notAfter: now + 60_000,
    ended: null,
    endReason: null,
    actor: null,
    note: null,
    reasons: [],
    would: null,
    alerts: 0,
    measure: { action: 'block' },
    scope: {},
    rollout: null,
    ...more,
  }
}

function alert(id: string, attacker: string) {
  const observed = new Date(now - 1_000).toISOString()
  return {
    alert: {
      version: 1 as const,
      id,
      source: 'webhook',
      observed,
      received: observed,
      rule: { id: 'r1', name: 'r1', severity: 50, groups: [], mitre: [] },
      attacker,
      count: 3,
      original: '{}',
      original_cut: false,
    },
    decision: `d-${'1'.padStart(16, '0')}`,
    offender: '2001:db8::/64',
    facts: null,
  }
}
