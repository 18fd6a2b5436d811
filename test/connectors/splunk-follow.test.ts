/** Searches of Splunk that are run here: every row once, none lost, whatever Splunk does meanwhile. */
import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import type { Page } from '#contract/connector.ts'
import { followSearch } from '../../connectors/splunk/follow.ts'
import { searchesOf } from '../../connectors/splunk/search.ts'
import { Settings } from '../../connectors/splunk/settings.ts'
import { sayMessage, splunkWorld, startSplunk } from '../doubles/splunk.ts'
import { openWeb } from '../web-server.ts'
import { inSteps } from './in-steps.ts'
import { load } from './samples.ts'
import { ownCertificate } from './told.ts'

const second = 1_000
const minute = 60 * second
const start = Date.UTC(2026, 6, 1, 10)

const connector = await load('splunk')

function settingsOf(more: object): Settings {
  return Settings.parse({
    host: '127.0.0.1',
    security: 'none',
    token: 'token-1',
    search: 'index=main sourcetype=access_combined',
    ...more,
  })
}

function follow(settings: Settings, cursor?: string) {
  const [search] = searchesOf(settings)
  assert.ok(search)
  return inSteps((clock) => followSearch(settings, search, clock), start, cursor)
}

/** Whom the rows name, as the connector reads them. */
function attackers(pages: readonly Page[]): (string | undefined)[] {
  return alertsOf(pages).map(({ attacker }) => attacker)
}
function alertsOf(pages: readonly Page[]) {
  const context = { settings: connector.settings.parse({}), now: start }
  return pages.flatMap(({ records }) =>
    records.flatMap((record) => connector.read?.(record, context) ?? []),
  )
}

describe('a search is run again and again', () => {
  const world = splunkWorld()
  const server = startSplunk(world)
  const closing: (() => Promise<void>)[] = []
  const following = async (more: object = {}, cursor?: string) => {
    const one = follow(settingsOf({ port: (await server).port, ...more }), cursor)
    closing.push(one.stop)
    return one
  }
  const event = (n: number, at: number, row: object = {}) => ({
    at,
    row: {
      src: `203.0.113.${n}`,
      _time: new Date(at).toISOString(),
      _bkt: 'main~1',
      _cd: `1:${n}`,
      ...row,
    },
  })
  beforeEach(() => {
    Object.assign(world, splunkWorld())
  })
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })
  after(async () => (await server).close())

  test('over the time since the run before, less the overlap', async () => {
    const { look, clock } = await following()
    clock.now = start + minute
    world.events = [event(1, start + second), event(2, start + minute)]
    assert.deepEqual(attackers(await look()), ['203.0.113.1'], 'none that is not yet over')
    clock.now = start + 2 * minute
    await look()
    assert.deepEqual(
      world.asked.map(({ form }) => [form.earliest_time, form.latest_time].map(Number)),
      [
        [start - minute, start + minute],
        [start, start + 2 * minute],
      ].map((times) => times.map((ms) => ms / second)),
    )
  })

  test('an event that is indexed late is met in the overlap, and one met twice is one alert', async () => {
    const { look, clock } = await following()
    clock.now = start + minute
    world.events = [event(1, start + 30 * second)]
    const first = await look()
    world.events.push(event(2, start + 40 * second))
    clock.now = start + 2 * minute
    const both = alertsOf([...first, ...(await look())])
    assert.deepEqual(new Map(both.map(({ id, attacker }) => [id, attacker])).values().toArray(), [
      '203.0.113.1',
      '203.0.113.2',
    ])
  })

  test('previews are not taken, though they are sent', async () => {
    const { look, clock } = await following()
    clock.now = start + minute
    world.events = [event(1, start + second)]
    assert.equal((await look()).flatMap(({ records }) => records).length, 1)
    assert.equal(world.asked[0]?.form.preview, 'false')
  })

  test('rows that count are news in every window, and the same when a window is repeated', async () => {
    world.events = [{ at: start + second, row: { src: '203.0.113.7', count: '120' } }]
    const ids = async (cursor: number) => {
      const { look, clock } = await following({ overlap: '0s' }, `{"version":1,"at":${cursor}}`)
      clock.now = start + minute
      return alertsOf(await look()).map(({ id }) => id)
    }
    const [once, again, later] = [await ids(start), await ids(start), await ids(start + second)]
    assert.deepEqual(once, again)
    assert.notDeepEqual(once, later)
  })

  test('after a long absence in several windows, one after the other', async () => {
    world.events = [1, 2, 3].map((n) => event(n, start + n * 60 * minute - second))
    const { look, clock } = await following({ overlap: '0s' }, `{"version":1,"at":${start}}`)
    clock.now = start + 180 * minute
    const pages = await look()
    assert.deepEqual(attackers(pages), ['203.0.113.1', '203.0.113.2', '203.0.113.3'])
    assert.deepEqual(
      pages.map(({ cursor }) => JSON.parse(cursor).at),
      [60, 120, 180].map((n) => start + n * minute),
    )
  })

  test('many rows come in pages, and only the last moves the place', async () => {
    world.events = Array.from({ length: 1_200 }, (_, n) => event(n % 250, start + second, { n }))
    const { look } = await following({ from: '2026-07-01T09:59:00Z' })
    world.events.forEach((one) => {
      one.at = start - second
    })
    const pages = await look()
    assert.deepEqual(
      pages.map(({ records }) => records.length),
      [500, 500, 200],
    )
    assert.deepEqual(
      pages.map(({ cursor }) => JSON.parse(cursor).at),
      [start - minute, start - minute, start],
    )
  })

  test('a saved search is run by its name, in its app', async () => {
    const saved = { search: undefined, saved_searches: ['Say "hello"'], app: 'soc' }
    const { look, clock } = await following(saved)
    clock.now = start + minute
    world.events = [event(1, start + second)]
    const [alert] = alertsOf(await look())
    assert.equal(alert?.rule.id, 'Say "hello"')
    assert.equal(world.asked[0]?.path, '/servicesNS/nobody/soc/search/v2/jobs/export')
    assert.equal(world.asked[0]?.form.search, '| savedsearch "Say \\"hello\\""')
  })

  test('SPL without a command is searched for, as in the search bar', async () => {
    const splOf = (search: string) => searchesOf(settingsOf({ search })).map(({ spl }) => spl)
    assert.deepEqual(splOf('index=main'), ['search index=main'])
    assert.deepEqual(splOf('search index=main'), ['search index=main'])
    assert.deepEqual(splOf('| tstats count'), ['| tstats count'])
  })

  describe('and when Splunk fails', () => {
    const failing = async (more: object = {}, cursor?: string) => {
      world.events = [event(1, start - second), event(2, start - second)]
      return following({ from: '2026-07-01T09:59:00Z', ...more }, cursor)
    }

    for (const [status, type, code, remedy] of [
      [400, 'FATAL', 'invalid_input', /SPL/],
      [401, 'WARN', 'unauthenticated', /expired/],
      [403, 'ERROR', 'forbidden', /capability/],
      [404, 'ERROR', 'not_found', /9\.0\.1/],
      [429, 'ERROR', 'overloaded', /less often/],
      [500, 'ERROR', 'service_unreachable', /splunkd\.log/],
      [503, 'ERROR', 'overloaded', /less often/],
    ] as const)
      test(`status ${status} is ${code}, with a remedy`, async () => {
        const { look } = await failing()
        world.faults.push((response) => sayMessage(response, status, type, 'what it says'))
        await assert.rejects(look(), (problem) => {
          assert.ok(problem instanceof Error && 'code' in problem && 'remedy' in problem)
          assert.equal(problem.code, code)
          assert.match(String(problem.remedy), remedy)
          return true
        })
      })

    test('a token that expired is told without the token', async () => {
      world.authorization = 'Bearer another'
      const { look } = await failing()
      await assert.rejects(look(), (problem) => {
        assert.ok(problem instanceof Error && 'code' in problem)
        assert.equal(problem.code, 'unauthenticated')
        assert.ok(!JSON.stringify(problem).includes('token-1'))
        return true
      })
    })

    for (const type of ['ERROR', 'FATAL'])
      test(`a message of type ${type} among the rows is a problem, and the place stays`, async () => {
        const { look } = await failing()
        world.faults.push((response, rows) => {
          const message = { messages: [{ type, text: 'Search auto-canceled' }] }
          response.end(`${rows[1]}\n${JSON.stringify(message)}\n`)
        })
        await assert.rejects(look(), { code: 'invalid_input', message: /Search auto-canceled/ })
        const again = await failing()
        assert.deepEqual(attackers(await again.look()), ['203.0.113.1', '203.0.113.2'])
      })

    for (const [type, text] of [
      [
        'WARN',
        'Search results may be incomplete: the search process on the peer idx-2 ended early',
      ],
      ['INFO', 'Search auto-finalized after disk usage limit (100MB) reached.'],
    ] as const)
      test(`"${text.slice(0, 40)}…" moves nothing, though it is no error; the rows that came are taken`, async () => {
        await failing()
        world.faults.push((response, rows) => {
          const message = { messages: [{ type, text }] }
          response.end(`${rows[1]}\n${JSON.stringify(message)}\n`)
        })
        const settings = settingsOf({ port: (await server).port, from: '2026-07-01T09:59:00Z' })
        const [search] = searchesOf(settings)
        assert.ok(search)
        const clock = { now: () => start, pause: async () => {} }
        const source = followSearch(settings, search, clock)
        const pages = source.follow(undefined, AbortSignal.timeout(120_000))[Symbol.asyncIterator]()
        const partly: Page = (await pages.next()).value
        assert.deepEqual(attackers([partly]), ['203.0.113.1'])
        await assert.rejects(async () => pages.next(), {
          code: 'service_unreachable',
          message: new RegExp(text.slice(0, 20)),
          retryMs: minute,
        })
        const again = await failing({}, partly.cursor)
        assert.deepEqual(attackers(await again.look()), ['203.0.113.1', '203.0.113.2'])
      })

    test('a message for information is none', async () => {
      const { look } = await failing()
      world.faults.push((response, rows) => {
        const message = { messages: [{ type: 'INFO', text: 'Your timerange was adjusted' }] }
        response.end(`${JSON.stringify(message)}\n${rows.join('\r\n')}`)
      })
      assert.deepEqual(attackers(await look()), ['203.0.113.1', '203.0.113.2'])
    })

    test('an answer that breaks off is a problem, and the rows come again', async () => {
      const { look } = await failing()
      world.faults.push((response, rows) => {
        response.write(`${rows[1]}\n${rows[2]?.slice(0, 20)}`, () => response.destroy())
      })
      await assert.rejects(look(), { code: 'service_unreachable' })
      const again = await failing()
      assert.deepEqual(attackers(await again.look()), ['203.0.113.1', '203.0.113.2'])
    })

    test('a row that is cut, or a page of somebody in between, is no result', async () => {
      for (const body of ['{"preview":false,"result":{"src":"203.', '<html>Sign in</html>', '[]']) {
        const { look } = await failing()
        world.faults.push((response) => void response.end(body))
        await assert.rejects(look(), { code: 'malformed_json' }, body)
      }
    })

    test('a search that is silent for too long is a problem', async () => {
      for (const say of ['', '{"preview":false}\n']) {
        // One of its own: on a busy machine a request comes in after it was given up, and would take the fault of another.
        const silent = await openWeb((_, response) => say && response.write(say))
        const { look } = await failing({ timeout: '30ms', port: silent.port })
        await assert.rejects(look(), { code: 'service_unreachable', message: /silent|in time/ })
        await silent.close()
      }
    })

    test('rows in pieces that end anywhere, also inside a letter, are whole', async () => {
      const { look } = await failing()
      world.faults.push(async (response) => {
        const row = { result: { src: '203.0.113.9', user: 'Zoë', _time: '1782900000' } }
        for (const byte of Buffer.from(`${JSON.stringify(row)}\r\n`)) {
          await new Promise<void>((sent) => response.write(Buffer.of(byte), () => sent()))
        }
        response.end()
      })
      assert.equal(alertsOf(await look())[0]?.user, 'Zoë')
    })

    test('a cursor of somebody else is refused and not overwritten', async () => {
      await assert.rejects((await following({}, '{"version":9}')).look(), { code: 'invalid_input' })
    })

    test('being stopped while an answer is waited for is no fault', async () => {
      const { look, stop } = await failing()
      world.faults.push(() => {})
      const looking = look()
      await stop()
      assert.deepEqual(await looking, [])
    })
  })
})

describe('Splunk has to prove who it is, and is told who asks', () => {
  test('an authority of one’s own is trusted, and nobody else', async () => {
    const tls = await ownCertificate()
    const world = splunkWorld({ events: [{ at: start - second, row: { src: '203.0.113.1' } }] })
    const { port, close } = await startSplunk(world, tls)
    const looked = async (more: object) => {
      const since = { from: '2026-07-01T09:59:00Z', security: 'tls', port }
      const { look, stop } = follow(settingsOf({ ...since, ...more }))
      try {
        return attackers(await look())
      } finally {
        await stop()
      }
    }
    try {
      assert.deepEqual(await looked({ ca: tls.cert }), ['203.0.113.1'])
      await assert.rejects(looked({}), { code: 'untrusted_service' })
    } finally {
      await close()
    }
  })

  test('a user with a password is asked for as one', async () => {
    const basic = `Basic ${Buffer.from('admin:secret').toString('base64')}`
    const world = splunkWorld({ authorization: basic })
    const { port, close } = await startSplunk(world)
    const since = { from: '2026-07-01T09:59:00Z', port }
    const { look, stop } = follow(
      settingsOf({ ...since, token: undefined, user: 'admin', password: 'secret' }),
    )
    await look()
    await stop()
    await close()
  })

  for (const [what, more] of [
    ['plain HTTP beyond loopback', { host: '192.0.2.1' }],
    ['neither token nor password', { token: undefined }],
    ['both token and password', { user: 'u', password: 'p' }],
  ] as const)
    test(`${what} is refused before anything is sent`, async () => {
      const { look, stop } = follow(settingsOf({ ...more, from: '2026-07-01T09:59:00Z' }))
      await assert.rejects(look(), { code: 'setting_invalid' })
      await stop()
    })
})
