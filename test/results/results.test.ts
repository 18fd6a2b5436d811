/** What a sink is promised: everything that it wants, in order, once, however long it was away and whatever it refuses. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#contract/problem.ts'
import type { Receipt } from '#contract/receipt.ts'
import type { Refusal, Result, Sink } from '#contract/result.ts'
import { retain } from '../../actions/flow/retain.ts'
import { placeName } from '../../actions/results/place.ts'
import { keepsWords, type OpenSink, startResults } from '../../actions/results/sinks.ts'
import { RetentionSettings } from '../../actions/retention-settings.ts'
import { appendJournal, readJournal } from '../../actions/store/journal.ts'
import { type HeldTime, holdTime } from '../held-time.ts'
import { openTestService, record, type TestService } from '../service.ts'

const second = 1_000
const minute = 60 * second
const day = 24 * 60 * minute

type Stage = TestService & {
  time: HeldTime
  /** Follows; a second call is the service after a restart. */
  follow(...sinks: TestSink[]): Promise<{ stop(): Promise<void> }>
}

async function open(t: TestContext): Promise<Stage> {
  const service = await openTestService({ keepsWords: true })
  const time = holdTime(service.clock)
  const running: { stop(): Promise<void> }[] = []
  t.after(async () => {
    for (const one of running) await one.stop()
    await service.close()
  })
  const follow = async (...sinks: TestSink[]) => {
    const { store, log, now, followed } = service.flow
    const opened: OpenSink[] = sinks.map(({ sink }) => ({ connector: 'webhook', sink }))
    const parts = { store, issuer: 'cordon-test', log, now, pause: time.pause }
    const results = await startResults(parts, opened, followed)
    store.onCommit(results.wake)
    running.push(results)
    return results
  }
  return { ...service, time, follow }
}

type TestSink = ReturnType<typeof testSink>

/** Takes what it is given, unless `answer` says otherwise. */
function testSink(wanted: readonly string[] = ['*'], more: Partial<Sink> = {}) {
  const given: Result[][] = []
  const taken: Result[] = []
  const asked: { answer: (results: readonly Result[]) => readonly Refusal[] | Problem } = {
    answer: () => [],
  }
  const sink: Sink = {
    key: 'test/sink',
    wants: (action) => wanted.includes('*') || wanted.includes(action),
    most: 100,
    take: async (results) => {
      given.push([...results])
      const answer = asked.answer(results)
      if (answer instanceof Problem) throw answer
      const refused = new Set(answer.map(({ id }) => id))
      taken.push(...results.filter(({ id }) => !refused.has(id)))
      return answer
    },
    ...more,
  }
  const actions = () => taken.map(({ action }) => action)
  return { given, taken, asked, sink, actions }
}

const away = new Problem('service_unreachable', 'it is away', { remedy: 'wait' })

async function block(service: TestService, attacker: string, more: object = {}): Promise<string> {
  const answer = await service.alert(record(attacker, { ...more }))
  const [one] = answer.body.items[0]?.alerts ?? []
  assert.ok(one, answer.text)
  return one.decision
}

function receipt(decision: string, status: Receipt['status'], seq = 1): Receipt {
  return { decision, status, audience: 'all', epoch: 1, seq, at: Date.UTC(2026, 2, 1, 3, 0, 1) }
}

/** Lines of which a test knows the number. */
async function write(service: TestService, ...actions: string[]): Promise<void> {
  const at = service.clock.now
  const lines = actions.map((action) => ({ at, actor: 'clock', action, subject: 'x' }))
  await service.flow.store.write((tx) => appendJournal(tx, lines))
}

describe('what a sink is given', () => {
  test('is the alert, the decision, what nodes said of it, and its end, in this order', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const siem = testSink(['alert.judged', 'decision.issue', 'decision.lift', 'receipt.applied'])
    await service.follow(siem)
    const id = await block(service, '203.0.113.7')
    service.clock.now += second
    await service.flow.acknowledge('web-01', [receipt(id, 'applied')])
    service.clock.now += second
    await service.ask('POST', `/v1/decisions/${id}/lift`, { body: { reason: 'it was us' } })
    await service.time.pass(minute)
    assert.deepEqual(siem.actions().sort(), [
      'alert.judged',
      'decision.issue',
      'decision.lift',
      'receipt.applied',
    ])
    assert.deepEqual(siem.actions().slice(2), ['receipt.applied', 'decision.lift'])
    assert.ok(siem.taken.every(({ decision }) => decision?.id === id))
  })

  test('begins at the first start: nobody is told of what was long ago', async (t) => {
    const service = await open(t)
    await block(service, '203.0.113.7')
    const siem = testSink()
    await service.follow(siem)
    const later = await block(service, '203.0.113.8')
    await service.time.pass(minute)
    assert.ok(siem.taken.length > 0)
    assert.ok(siem.taken.every(({ decision }) => decision?.id === later))
  })

  test('is only what it wants', async (t) => {
    const service = await open(t)
    const siem = testSink(['decision.wait'])
    await service.follow(siem)
    await block(service, '203.0.113.7')
    await block(service, '203.0.113.8', { severity: 50 })
    await service.time.pass(minute)
    assert.deepEqual(siem.actions(), ['decision.wait'])
  })

  test('a refusal of a node comes once, from the journal', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const siem = testSink(['receipt.refused', 'receipt.applied'])
    await service.follow(siem)
    const id = await block(service, '203.0.113.7')
    await service.flow.acknowledge('web-01', [{ ...receipt(id, 'refused'), code: 'protected' }])
    await service.time.pass(minute)
    assert.deepEqual(siem.actions(), ['receipt.refused'])
    assert.deepEqual(siem.taken[0]?.document.event, {
      ...{ kind: 'event', category: ['network'], type: ['info'], action: 'receipt.refused' },
      ...{ outcome: 'failure', reason: 'protected' },
      ...eventRest(siem.taken[0]),
    })
  })

  test('each document names the blocked address, the node that said so and the rule, in ECS', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const siem = testSink(['receipt.applied'])
    await service.follow(siem)
    const id = await block(service, '2001:db8::7')
    await service.flow.acknowledge('web-01', [receipt(id, 'applied')])
    await service.time.pass(minute)
    const [result] = siem.taken
    assert.ok(result)
    const { event, observer, rule, cordon } = result.document
    assert.deepEqual(event, {
      ...{ kind: 'event', category: ['network'], type: ['connection', 'denied'] },
      ...{ action: 'receipt.applied', outcome: 'success', start: '2026-03-01T03:00:01.000Z' },
      ...{ module: 'cordon', dataset: 'cordon.receipt', provider: 'cordon' },
    })
    assert.deepEqual(observer, {
      ...{ name: 'web-01', type: 'firewall', vendor: 'Cordon', product: 'Cordon agent' },
    })
    assert.deepEqual(rule, { name: 'severe' })
    assert.ok(typeof cordon === 'object' && cordon !== null)
    assert.equal(Reflect.get(cordon, 'target'), '2001:db8::/64')
  })

  test('a sink that asks for alerts gets those of its own connector that a decision stands on', async (t) => {
    const service = await open(t)
    const own = testSink(['decision.issue', 'alert.judged'], { withAlerts: true })
    await service.follow(own)
    await block(service, '203.0.113.7', { id: 'a1' })
    await service.ask('POST', '/v1/alerts/suricata', { body: eve('203.0.113.9') })
    await block(service, '203.0.113.7', { id: 'a2' })
    await service.time.pass(minute)
    const told = own.taken.map(({ action, alerts }) => [action, alerts.length])
    assert.deepEqual(told.filter(([action]) => action === 'alert.judged').length, 2)
    assert.ok(own.taken.every(({ alerts }) => alerts.every(({ source }) => source === 'webhook')))
    assert.equal(own.taken.find(({ action }) => action === 'alert.judged')?.alerts.length, 1)
  })
})

function eventRest(result: Result | undefined): object {
  const event = result?.document.event
  assert.ok(typeof event === 'object' && event !== null)
  const { sequence, hash, module, dataset, provider } = Object(event)
  return { sequence, hash, module, dataset, provider }
}

function eve(attacker: string): object {
  return {
    timestamp: '2026-03-01T03:00:00.000000+0000',
    flow_id: 1,
    event_type: 'alert',
    src_ip: attacker,
    src_port: 4000,
    dest_ip: '192.0.2.10',
    dest_port: 22,
    proto: 'TCP',
    alert: { signature_id: 1, signature: 'a scan', severity: 1, gid: 1, rev: 1 },
  }
}

describe('a sink that is away', () => {
  test('gets everything once it is back, in order, nothing left out and nothing twice', async (t) => {
    const service = await open(t)
    const siem = testSink(['*'], { most: 7 })
    siem.asked.answer = () => away
    await service.follow(siem)
    for (let i = 0; i < 40; i++) await write(service, `test.n${i}`)
    await service.time.pass(10 * minute)
    const [line] = service.flow.followed
    assert.deepEqual([line?.state, line?.problem], ['away', 'it is away'])
    assert.deepEqual([siem.taken.length, line?.waiting], [0, 40])
    siem.asked.answer = () => []
    await service.time.pass(2 * minute)
    assert.deepEqual(
      siem.actions(),
      Array.from({ length: 40 }, (_, i) => `test.n${i}`),
    )
    assert.deepEqual([line?.state, line?.problem, line?.waiting], ['following', undefined, 0])
  })

  test('is given the same batch with the same ids at each try, after pauses that grow to a minute', async (t) => {
    const service = await open(t)
    const siem = testSink()
    const tries: number[] = []
    siem.asked.answer = () => {
      tries.push(service.clock.now)
      return tries.length < 12 ? away : []
    }
    await service.follow(siem)
    await write(service, 'test.a', 'test.b')
    await service.time.pass(20 * minute)
    const ids = siem.given.map((results) => results.map(({ id }) => id).join())
    assert.equal(new Set(ids).size, 1)
    const pauses = tries.slice(1).map((at, i) => (at - (tries[i] ?? 0)) / second)
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60])
  })

  test('is left alone for as long as it asks', async (t) => {
    const service = await open(t)
    const siem = testSink()
    siem.asked.answer = () => new Problem('rate_limited', 'slow down', { retryMs: 90 * second })
    await service.follow(siem)
    await write(service, 'test.a')
    await service.time.pass(80 * second)
    assert.equal(siem.given.length, 1)
    await service.time.pass(20 * second)
    assert.equal(siem.given.length, 2)
  })

  test('holds up no other', async (t) => {
    const service = await open(t)
    const gone = testSink(['*'], { key: 'test/gone', take: () => new Promise(() => {}) })
    const siem = testSink()
    await service.follow(gone, siem)
    await write(service, 'test.a')
    await service.time.pass(minute)
    assert.deepEqual(siem.actions(), ['test.a'])
  })

  test('keeps the lines of the journal that it was not given yet from being pruned', async (t) => {
    const service = await open(t)
    const siem = testSink()
    siem.asked.answer = () => away
    const { stop } = await service.follow(siem)
    await write(service, 'test.a', 'test.b')
    await stop()
    service.clock.now += 100 * day
    const settings = RetentionSettings.parse({ journal: '30d' })
    const { store } = service.flow
    const readers = [placeName(siem.sink.key)]
    await retain(store, settings, service.clock.now, { readers })
    siem.asked.answer = () => []
    await service.follow(siem)
    await service.time.pass(minute)
    assert.deepEqual(siem.actions().slice(0, 2), ['test.a', 'test.b'])
  })
})

test('alerts that were let go of while a sink was away are counted, journalled and shown once', async (t) => {
  const service = await open(t)
  const siem = testSink(['alert.judged'])
  siem.asked.answer = () => away
  const { stop } = await service.follow(siem)
  for (const n of [7, 8, 9]) {
    const id = await block(service, `203.0.113.${n}`)
    await service.ask('POST', `/v1/decisions/${id}/lift`, { body: { reason: 'it was us' } })
  }
  await service.time.pass(minute)
  await stop()
  service.clock.now += 500 * day
  const { store, followed } = service.flow
  await retain(store, RetentionSettings.parse({}), service.clock.now)
  siem.asked.answer = () => []
  followed.length = 0
  await service.follow(siem)
  await block(service, '203.0.113.10')
  await service.time.pass(minute)
  // The newest of all is never let go of.
  assert.deepEqual(
    siem.taken.map(({ document }) => document.source),
    [{ ip: '203.0.113.9' }, { ip: '203.0.113.10' }],
  )
  const lost = async () =>
    (await readJournal(store.read, { after: 0, limit: 100 })).filter(
      ({ action }) => action === 'result.lost',
    )
  assert.deepEqual(
    (await lost()).map(({ subject, after }) => [subject, JSON.parse(after ?? '').lost]),
    [['test/sink', 2]],
  )
  const [health] = followed
  assert.equal(health?.refused, 2)
  await block(service, '203.0.113.11')
  await service.time.pass(minute)
  assert.equal((await lost()).length, 1)
})

test('alerts of others that a sink passed over are not said to be lost when they were let go of before a restart', async (t) => {
  const service = await open(t)
  const own = testSink(['alert.judged'], { withAlerts: true })
  const { stop } = await service.follow(own)
  for (const n of [7, 8, 9]) {
    await service.ask('POST', '/v1/alerts/suricata', { body: eve(`203.0.113.${n}`) })
    await service.time.pass(2 * 60 * minute)
  }
  await stop()
  const { store } = service.flow
  const alerts = () => store.read.selectFrom('alerts').select('id').orderBy('received').execute()
  const before = await alerts()
  // The newest of all is never let go of.
  for (const { id } of before.slice(0, -1))
    await store.write((tx) => tx.deleteFrom('alerts').where('id', '=', id).execute())
  await service.follow(own)
  await block(service, '203.0.113.10')
  await service.time.pass(minute)
  const lines = await readJournal(store.read, { after: 0, limit: 100 })
  assert.deepEqual([before.length, (await alerts()).length, own.taken.length], [3, 2, 1])
  assert.deepEqual(
    lines.filter(({ action }) => action === 'result.lost'),
    [],
  )
})

test('an alert that comes after a long quiet time is told, whatever was let go of meanwhile', async (t) => {
  const service = await open(t)
  const siem = testSink(['alert.judged'])
  await service.follow(siem)
  const id = await block(service, '203.0.113.7')
  await block(service, '203.0.113.7', { id: 'again' })
  await service.ask('POST', `/v1/decisions/${id}/lift`, { body: { reason: 'it was us' } })
  await service.time.pass(minute)
  service.clock.now += 500 * day
  const { store } = service.flow
  await retain(store, RetentionSettings.parse({}), service.clock.now, { readers: [] })
  await block(service, '203.0.113.8')
  await service.time.pass(minute)
  const last = siem.taken.at(-1)
  assert.equal(last?.decision?.target, '203.0.113.8')
})

describe('a restart', () => {
  test('goes on where it was, and what was in the middle is given again with the same ids', async (t) => {
    const service = await open(t)
    const siem = testSink()
    const first = await service.follow(siem)
    await write(service, 'test.a')
    await service.time.pass(minute)
    siem.asked.answer = () => away
    await write(service, 'test.b')
    await service.time.pass(minute)
    await first.stop()
    const before = siem.given.at(-1)?.map(({ id }) => id)
    siem.asked.answer = () => []
    await service.follow(siem)
    await service.time.pass(minute)
    assert.deepEqual(siem.actions(), ['test.a', 'test.b'])
    assert.deepEqual(
      siem.given.at(-1)?.map(({ id }) => id),
      before,
    )
  })

  test('of a store that was restored: lines of the same numbers are other results', async (t) => {
    const service = await open(t)
    const siem = testSink()
    const first = await service.follow(siem)
    await write(service, 'test.a', 'test.b')
    await service.time.pass(minute)
    await first.stop()
    const { store } = service.flow
    const newest = siem.taken.length
    await store.write((tx) => tx.deleteFrom('journal').where('action', '=', 'test.b').execute())
    await service.follow(siem)
    service.clock.now += second
    await write(service, 'test.c')
    await service.time.pass(minute)
    assert.deepEqual(siem.actions().slice(newest), ['test.c'])
    assert.equal(new Set(siem.taken.map(({ id }) => id)).size, siem.taken.length)
  })
})

describe('what can never be taken', () => {
  const refuse = (action: string) => (results: readonly Result[]) =>
    results
      .filter((result) => result.action === action)
      .map(({ id }) => ({ id, problem: new Problem('invalid_input', 'no such field') }))

  test('is refused alone, journalled and shown, and the rest goes on', async (t) => {
    const service = await open(t)
    const siem = testSink(['test.a', 'test.b', 'test.c'])
    siem.asked.answer = refuse('test.b')
    await service.follow(siem)
    await write(service, 'test.a', 'test.b', 'test.c')
    await service.time.pass(minute)
    assert.deepEqual(siem.actions(), ['test.a', 'test.c'])
    const line = await service.flow.store.read
      .selectFrom('journal')
      .selectAll()
      .where('action', '=', 'result.refused')
      .executeTakeFirstOrThrow()
    assert.equal(line.subject, 'test/sink')
    assert.match(line.after ?? '', /"refused":1,"of":3,"problem":"no such field"/)
    const [health] = service.flow.followed
    assert.deepEqual([health?.refused, health?.problem], [1, 'no such field'])
  })

  test('when it is the word of a refusal itself, nothing more is said of it', async (t) => {
    const service = await open(t)
    const siem = testSink()
    siem.asked.answer = (results) =>
      results.map(({ id }) => ({ id, problem: new Problem('invalid_input', 'nothing at all') }))
    await service.follow(siem)
    await write(service, 'test.a')
    await service.time.pass(10 * minute)
    const { n } = await service.flow.store.read
      .selectFrom('journal')
      .select((row) => row.fn.countAll<number>().as('n'))
      .where('action', '=', 'result.refused')
      .executeTakeFirstOrThrow()
    assert.equal(n, 1)
  })
})

describe('words of nodes', () => {
  test('are kept only when a sink wants them', async () => {
    const of = (wanted: string[]) => keepsWords([{ connector: 'x', sink: testSink(wanted).sink }])
    assert.equal(of(['decision.issue', 'receipt.refused']), false)
    assert.equal(of(['receipt.ended']), true)
    assert.equal(of(['*']), true)
  })

  test('go once every sink that wants them has taken them', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const slow = testSink(['receipt.applied'], { key: 'test/slow' })
    slow.asked.answer = () => away
    const quick = testSink(['receipt.applied'], { key: 'test/quick' })
    await service.follow(slow, quick)
    const id = await block(service, '203.0.113.7')
    await service.flow.acknowledge('web-01', [receipt(id, 'applied')])
    await service.time.pass(minute)
    const kept = () => service.flow.store.read.selectFrom('receipt_words').selectAll().execute()
    assert.equal((await kept()).length, 1)
    slow.asked.answer = () => []
    await service.time.pass(2 * minute)
    assert.deepEqual([slow.taken.length, quick.taken.length], [1, 1])
    assert.deepEqual(await kept(), [])
  })

  test('that nobody wants hold up none that somebody wants', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const siem = testSink(['receipt.ended'], { most: 2 })
    await service.follow(siem)
    const id = await block(service, '203.0.113.7')
    await service.time.pass(minute)
    for (let seq = 1; seq <= 9; seq++)
      await service.flow.acknowledge('web-01', [receipt(id, seq < 9 ? 'applied' : 'ended', seq)])
    await service.time.pass(2 * second)
    assert.deepEqual(siem.actions(), ['receipt.ended'])
  })
})

test('whatever fails and however small the batches, every result arrives once and each stream in its order', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.constantFrom('line', 'alert', 'fail', 'pass'), { maxLength: 25 }),
      async (most, steps) => {
        const service = await open(t)
        const siem = testSink(['*'], { most })
        let failing = 0
        siem.asked.answer = () => (failing-- > 0 ? away : [])
        await service.follow(siem)
        let lines = 0
        let alerts = 0
        for (const step of steps) {
          if (step === 'line') await write(service, `test.n${lines++}`)
          if (step === 'alert') await block(service, `203.0.113.${++alerts}`)
          if (step === 'fail') failing = 2
          if (step === 'pass') await service.time.pass(3 * second)
        }
        failing = 0
        await service.time.pass(10 * minute)
        const numbered = siem.actions().filter((action) => action.startsWith('test.'))
        assert.deepEqual(
          numbered,
          Array.from({ length: lines }, (_, i) => `test.n${i}`),
        )
        assert.equal(siem.actions().filter((a) => a === 'alert.judged').length, alerts)
        assert.equal(siem.actions().filter((a) => a === 'decision.issue').length, alerts)
        assert.equal(new Set(siem.taken.map(({ id }) => id)).size, siem.taken.length)
      },
    ),
    { numRuns: 25 },
  )
})
