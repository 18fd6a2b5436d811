/** Results in Splunk: every one is indexed, none is lost for another one, and what a person has to fix is said. */
import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Result } from '#contract/result.ts'
import { connector } from '../../connectors/splunk/connector.ts'
import { openHecSink } from '../../connectors/splunk/hec/sink.ts'
import { Settings } from '../../connectors/splunk/settings.ts'
import { hecWorld, type Said, sayHec, startHec } from '../doubles/splunk-hec.ts'
import { load, now } from './samples.ts'
import { ownCertificate } from './told.ts'

const at = Date.UTC(2026, 6, 1, 10, 0, 0, 123)
const world = hecWorld()
const server = startHec(world)
after(async () => (await server).close())
beforeEach(() => {
  Object.assign(world, hecWorld())
})

function result(n: number, more: Partial<Result> = {}): Result {
  return {
    id: `result-${n}`.padEnd(43, 'x'),
    at: at + n,
    action: 'decision.issue',
    alerts: [],
    document: {
      '@timestamp': new Date(at + n).toISOString(),
      event: { action: 'decision.issue', type: ['connection', 'denied'] },
      source: { ip: `203.0.113.${n}` },
      rule: { name: 'severe' },
      user: { name: 'alice' },
      cordon: { actor: 'policy', target: `203.0.113.${n}` },
    },
    ...more,
  }
}
const results = (count: number) => Array.from({ length: count }, (_, n) => result(n + 1))

async function open(more: object = {}) {
  const settings = Settings.parse({
    hec_url: (await server).url,
    hec_token: world.token,
    ...more,
  })
  const paused: number[] = []
  const clock = {
    time: at,
    now: () => clock.time,
    pause: async (ms: number) => {
      paused.push(ms)
      clock.time += ms
    },
  }
  const sink = openHecSink(settings, 'cordon-1', clock)
  const take = (taken: readonly Result[]) => sink.take(taken, AbortSignal.timeout(120_000))
  return { sink, take, paused }
}

/** Results that were accepted, by their number, in order. */
function taken(): (number | undefined)[] {
  return world.taken.map(({ fields }) => {
    const id = fields instanceof Object && 'result_id' in fields ? String(fields.result_id) : ''
    return Number(/^result-(\d+)x/.exec(id)?.[1])
  })
}
function sent(): string[] {
  return world.requests.filter(({ path }) => path.endsWith('/event')).map(({ body }) => body)
}
async function problemOf(work: Promise<unknown>): Promise<Problem> {
  const problem = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(problem instanceof Problem, String(problem))
  assert.ok(problem.remedy, 'it says what to do')
  assert.ok(!JSON.stringify(problem).includes(world.token), 'no problem holds the token')
  return problem
}

describe('an event', () => {
  test('is the document as it is, with its id in it and by the names of the Common Information Model', async () => {
    const { take } = await open({ hec_index: 'soc' })
    await take([result(7)])
    assert.deepEqual(world.taken, [
      {
        time: 1_782_900_000.13,
        host: 'cordon-1',
        source: 'cordon',
        sourcetype: 'cordon:result',
        index: 'soc',
        event: {
          ...result(7).document,
          cordon: { actor: 'policy', target: '203.0.113.7', result_id: result(7).id },
        },
        fields: {
          result_id: result(7).id,
          vendor_product: 'Cordon',
          cordon_action: 'decision.issue',
          action: 'blocked',
          src: '203.0.113.7',
          signature: 'severe',
          user: 'alice',
        },
      },
    ])
  })

  test('of a block of what goes out names the far side as destination', async () => {
    const out = { decision: { direction: 'out' }, target: '203.0.113.0/24' }
    const { take } = await open()
    await take([
      result(1, { document: { destination: { ip: '203.0.113.1' }, cordon: { ...out } } }),
      result(2, { document: { cordon: out } }),
      result(3, { document: { cordon: { target: '203.0.113.0/24' } } }),
    ])
    assert.deepEqual(
      world.taken.map(({ fields }) => {
        const { src, dest }: { src?: string; dest?: string } = fields ?? {}
        return [src, dest]
      }),
      [
        [undefined, '203.0.113.1'],
        [undefined, '203.0.113.0/24'],
        ['203.0.113.0/24', undefined],
      ],
    )
  })

  test('of a block between two networks names both, the sender as source', async () => {
    const pair = (direction: string) => ({
      target: '203.0.113.0/24',
      decision: { direction, peer: '192.0.2.0/28' },
    })
    const { take } = await open()
    await take([
      result(1, { document: { cordon: pair('forward_from') } }),
      result(2, { document: { cordon: pair('forward_to') } }),
      result(3, { action: 'alert.judged', document: { cordon: pair('forward_from') } }),
    ])
    assert.deepEqual(
      world.taken.map(({ fields }) => {
        const { src, dest }: { src?: string; dest?: string } = fields ?? {}
        return [src, dest]
      }),
      [
        ['203.0.113.0/24', '192.0.2.0/28'],
        ['192.0.2.0/28', '203.0.113.0/24'],
        ['203.0.113.0/24', undefined],
      ],
    )
  })

  test('of a node names the node as the device, and blocked only what a kernel holds', async () => {
    const document = (type: string) => ({
      observer: { name: 'web-1' },
      event: { type: ['connection', type] },
    })
    const { take } = await open()
    await take(
      ['denied', 'end', 'allowed', 'info'].map((type, n) =>
        result(n, { action: 'receipt.applied', document: document(type) }),
      ),
    )
    const fields = world.taken.map((event): { action?: string; dvc?: string } => event.fields ?? {})
    assert.deepEqual(
      fields.map(({ action }) => action),
      ['blocked', 'teardown', 'allowed', undefined],
    )
    assert.ok(fields.every(({ dvc }) => dvc === 'web-1'))
  })

  test('that a search finds again makes no alert', async () => {
    const splunk = await load('splunk')
    const context = { settings: Settings.parse({}), now }
    const read = (row: object) =>
      splunk.read?.(
        { result: { src: '203.0.113.7', ...row }, search_name: 'all blocks' },
        context,
      ) ?? []
    assert.deepEqual(read({ sourcetype: 'cordon:result' }), [])
    assert.deepEqual(read({ vendor_product: 'Cordon' }), [])
    assert.equal(read({ sourcetype: 'linux_secure', vendor_product: 'OpenSSH' }).length, 1)
    assert.equal(Settings.safeParse({ hec_sourcetype: 'firewall' }).success, false)
  })
})

describe('results are taken', () => {
  test('in one request, in order, over one channel as long as the service runs', async () => {
    const { take } = await open()
    assert.deepEqual(await take(results(3)), [])
    await take([result(4)])
    assert.deepEqual(taken(), [1, 2, 3, 4])
    assert.equal(sent().length, 2)
    assert.equal(new Set(world.requests.map(({ channel }) => channel)).size, 1)
  })

  test('once the indexers have them, which is asked again with growing pauses', async () => {
    world.asks = 8
    const { take, paused } = await open()
    await take(results(2))
    assert.deepEqual(paused, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
    assert.deepEqual(taken(), [1, 2])
  })

  test('are not waited for longer than the service lets one batch take', () => {
    const read = (hec_acknowledge_within: string) =>
      connector.settings.safeParse({ hec_acknowledge_within }).success
    assert.deepEqual([read('5m'), read('6m')], [true, false])
  })

  test('again when the indexers are silent for too long: an event may be there twice, under one id', async () => {
    world.asks = Number.POSITIVE_INFINITY
    const { take } = await open({ hec_acknowledge_within: '1m' })
    const problem = await problemOf(take(results(2)))
    assert.equal(problem.code, 'service_unreachable')
    assert.match(problem.remedy ?? '', /twice/)
    world.requests.push({ path: 'here', channel: '', body: '' })
    await problemOf(take(results(2)))
    assert.deepEqual(taken(), [1, 2, 1, 2])
    const asked = world.requests.findIndex(({ path }) => path === 'here') + 1
    const next = world.requests.slice(asked).map(({ path }) => path)
    assert.ok(next.indexOf('/services/collector/event') > 2, 'only after they were asked again')
    world.asks = 1
    assert.deepEqual(await take(results(2)), [])
  })

  test('once when slow indexers have them by the next try, with what came meanwhile', async () => {
    world.asks = 20
    const { take } = await open({ hec_acknowledge_within: '1m' })
    await problemOf(take(results(2)))
    world.asks = 1
    assert.deepEqual(await take(results(3)), [])
    assert.deepEqual(taken(), [1, 2, 3])
  })

  test('without acknowledgement as soon as the collector says so, where it is set so', async () => {
    world.acknowledgement = false
    const { take } = await open({ hec_acknowledge: 'false' })
    assert.deepEqual(await take(results(2)), [])
    assert.ok(world.requests.every(({ path }) => path === '/services/collector/event'))
  })

  test('never by a token without acknowledgement where it is wanted: found out before anything is sent', async () => {
    world.acknowledgement = false
    const { take } = await open()
    const problem = await problemOf(take(results(2)))
    assert.equal(problem.code, 'setting_invalid')
    assert.match(problem.remedy ?? '', /enable it.*hec_acknowledge false/)
    assert.deepEqual(taken(), [])
    world.acknowledgement = true
    assert.deepEqual(await take(results(2)), [])
  })

  test('at most once more when somebody turns acknowledgement off later, however often it is tried', async () => {
    const { take } = await open()
    await take([result(1)])
    world.acknowledgement = false
    for (let tries = 0; tries < 4; tries++)
      assert.equal((await problemOf(take([result(2)]))).code, 'setting_invalid')
    assert.deepEqual(taken(), [1, 2])
  })

  test('of the wished kinds only', async () => {
    const { sink } = await open()
    const wanted = [
      'decision.issue',
      'receipt.applied',
      'alert.judged',
      'node.enrol',
      'token.create',
    ]
    assert.ok(wanted.every(sink.wants))
    assert.ok(!['list.fetch', 'decisions.issue', 'notice.dead'].some(sink.wants))
    const few = await open({ hec_actions: 'decision.lift' })
    assert.deepEqual(['decision.lift', 'decision.issue'].map(few.sink.wants), [true, false])
  })

  test('by nobody without settings for it', () => {
    assert.deepEqual(connector.sinks?.(Settings.parse({ hec_token: 'x' })), [])
    const [sink] =
      connector.sinks?.(
        Settings.parse({ hec_url: 'https://hec.example.org:8088', hec_token: 'x' }),
      ) ?? []
    assert.equal(sink?.key, 'splunk/hec')
  })
})

describe('one bad event', () => {
  const bad = (n: number) => result(n, { at: -1 })

  for (const [how, more, order] of [
    [
      'those before it are sent again when nobody would acknowledge them, and none twice in vain',
      {},
      [1, 2, 1, 2, 4],
    ],
    [
      'those before it are not sent again when they got a number',
      { numbersRefused: true },
      [1, 2, 4],
    ],
  ] as const)
    test(`is refused by itself and the rest goes on: ${how}`, async () => {
      Object.assign(world, more)
      const { take } = await open()
      const refusals = await take([result(1), result(2), bad(3), result(4)])
      assert.deepEqual(
        refusals.map(({ id }) => id),
        [bad(3).id],
      )
      assert.deepEqual(taken(), order)
      assert.ok(refusals.every(({ problem }) => problem.code === 'invalid_input' && problem.remedy))
    })

  test('without acknowledgement: those before it were accepted, those after it are sent on', async () => {
    world.acknowledgement = false
    const { take } = await open({ hec_acknowledge: false })
    const refusals = await take([bad(1), result(2), bad(3), result(4), bad(5)])
    assert.deepEqual(
      refusals.map(({ id }) => id),
      [bad(1).id, bad(3).id, bad(5).id],
    )
    assert.deepEqual(taken(), [2, 4])
  })

  for (const said of [
    [400, 5, 'No data'],
    [400, 6, 'Invalid data format'],
    [400, 12, 'Event field is required'],
    [400, 13, 'Event field cannot be blank'],
    [400, 15, 'Error in handling indexed fields'],
  ] as const satisfies Said[])
    test(`code ${said[1]} is about an event, also without its number: it is looked for by halves`, async () => {
      const { take } = await open()
      world.faults = [
        (response) => sayHec(response, [200, 0, '', { acks: {} }]),
        (response) => sayHec(response, [...said]),
        (response) => sayHec(response, [...said]),
      ]
      const refusals = await take([result(1), result(2)])
      assert.deepEqual(
        refusals.map(({ id }) => id),
        [result(1).id],
      )
      assert.deepEqual(taken(), [2])
    })

  test('that is too large is refused, and a batch that is too large goes in smaller ones', async () => {
    world.most = 2_500
    const { take } = await open()
    const large = result(3, { document: { message: 'x'.repeat(3_000) } })
    const refusals = await take([result(1), result(2), large, ...[4, 5, 6].map((n) => result(n))])
    assert.deepEqual(
      refusals.map(({ id, problem }) => [id, problem.code]),
      [[large.id, 'too_large']],
    )
    assert.deepEqual(taken(), [1, 2, 4, 5, 6])
  })
})

describe('what is no fault of an event is tried again, and says who fixes it', () => {
  for (const [said, code, remedy] of [
    [[403, 1, 'Token disabled'], 'unauthenticated', /enable it/],
    [[401, 2, 'Token is required'], 'unauthenticated', /Authorization/],
    [[401, 3, 'Invalid authorization'], 'unauthenticated', /token alone/],
    [[403, 4, 'Invalid token'], 'unauthenticated', /deleted/],
    [[400, 7, 'Incorrect index', { 'invalid-event-number': 0 }], 'setting_invalid', /hec_index/],
    [[500, 8, 'Internal server error'], 'service_unreachable', /splunkd\.log/],
    [[503, 9, 'Server is busy'], 'overloaded', /queues/],
    [[400, 10, 'Data channel is missing'], 'invalid_input', /X-Splunk-Request-Channel/],
    [[400, 11, 'Invalid data channel'], 'invalid_input', /X-Splunk-Request-Channel/],
    [[400, 14, 'ACK is disabled'], 'setting_invalid', /enable it/],
    [[503, 18, 'HEC is unhealthy'], 'overloaded', /queues/],
    [[404, 404, 'not found'], 'not_found', /8088/],
  ] as const satisfies [Said, string, RegExp][])
    test(`code ${said[1]} (${said[2]}) is ${code}`, async () => {
      const { take } = await open()
      await take([result(1)])
      world.faults.push((response) => sayHec(response, [...said]))
      const problem = await problemOf(take([result(2)]))
      assert.equal(problem.code, code)
      assert.match(problem.remedy ?? '', remedy)
      assert.deepEqual(await take([result(2)]), [], 'and then it goes on')
      assert.deepEqual(taken(), [1, 2])
    })

  test('an index that is not there is no fault of the results: all are taken once somebody made it', async () => {
    const { take } = await open({ hec_index: 'later' })
    assert.equal((await problemOf(take(results(2)))).code, 'setting_invalid')
    world.indexes.push('later')
    assert.deepEqual(await take(results(2)), [])
    assert.deepEqual(taken(), [1, 2])
  })

  test('a busy collector says when to come again', async () => {
    const { take } = await open()
    await take([result(1)])
    world.faults.push((response) => {
      response.setHeader('retry-after', '17')
      sayHec(response, [503, 9, 'Server is busy'])
    })
    assert.equal((await problemOf(take([result(2)]))).retryMs, 17_000)
  })

  test('an answer that is cut after the events were taken makes them come twice, never not at all', async () => {
    const { take } = await open()
    await take([result(1)])
    world.faults.push((response, took) => {
      took()
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"te', () => response.destroy())
    })
    await problemOf(take([result(2)]))
    await take([result(2)])
    assert.deepEqual(taken(), [1, 2, 2])
  })

  test('a page of somebody in between is no success, and a token that it repeats is not told', async () => {
    const { take } = await open()
    await take([result(1)])
    world.faults.push((response) => void response.end(`<html>${world.token}</html>`))
    assert.equal((await problemOf(take([result(2)]))).code, 'invalid_input')
    world.faults.push((response) => sayHec(response, [500, 8, `for ${world.token}`]))
    await problemOf(take([result(2)]))
  })

  test('plain HTTP beyond loopback, no token and no address are refused before anything is sent', () => {
    for (const more of [
      { hec_url: 'http://hec.example.org:8088', hec_token: 'x' },
      { hec_url: 'https://hec.example.org:8088' },
      { hec_url: 'hec.example.org', hec_token: 'x' },
    ])
      assert.throws(() => connector.sinks?.(Settings.parse(more)), { code: 'setting_invalid' })
  })

  test('an authority of one’s own is trusted, and nobody else', async () => {
    const tls = await ownCertificate()
    const { url, close } = await startHec(world, tls)
    try {
      const trusting = await open({ hec_url: `${url}/services/collector/event`, ca: tls.cert })
      assert.deepEqual(await trusting.take([result(1)]), [])
      const strange = await open({ hec_url: url })
      assert.equal((await problemOf(strange.take([result(2)]))).code, 'untrusted_service')
      assert.deepEqual(taken(), [1])
    } finally {
      await close()
    }
  })
})
