/** Alerts of Elastic that are asked for: each once, none lost, whatever the cluster does meanwhile. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { generate } from 'selfsigned'
import { elasticWorld, type Fault, say, sayError, startElastic } from '../doubles/elastic.ts'
import { openWeb } from '../web-server.ts'
import { elasticAlert, elasticSettings, followElastic, idsOf, start } from './elastic-world.ts'
import { ownCertificate } from './told.ts'

const second = 1_000
const minute = 60 * second

describe('the alerts of a space are followed', () => {
  const world = elasticWorld()
  const server = startElastic(world)
  const closing: (() => Promise<void>)[] = []
  const following = async (more = {}, cursor?: string, space?: string) => {
    const one = followElastic(elasticSettings((await server).url, more), cursor, space)
    closing.push(one.stop)
    return one
  }
  beforeEach(() => {
    Object.assign(world, elasticWorld())
    world.alerts = [1, 2, 3, 4, 5].map((n) => elasticAlert(n, start + n * second))
  })
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
    assert.equal(world.pits.size, 0, 'no point in time is left open')
  })
  after(async () => (await server).close())

  test('page by page in the order of their times, to the last', async () => {
    const { look } = await following()
    const pages = await look()
    assert.deepEqual(idsOf(pages), [1, 2, 3, 4, 5])
    assert.deepEqual(
      pages.map(({ records }) => records.length),
      [2, 2, 1],
    )
  })

  test('a second look brings only what is new', async () => {
    const { look } = await following()
    await look()
    assert.deepEqual(await look(), [])
    world.alerts.push(elasticAlert(6, start + 6 * second))
    assert.deepEqual(idsOf(await look()), [6])
  })

  test('alerts of one moment are told apart by their ids over the end of a page', async () => {
    world.alerts = [1, 2, 3, 4, 5].map((n) => elasticAlert(n, start))
    const { look } = await following()
    assert.deepEqual(idsOf(await look()), [1, 2, 3, 4, 5])
  })

  test('one that is written late, with a time before those already taken, is not passed over', async () => {
    const { look } = await following()
    await look()
    world.alerts.push(elasticAlert(6, start + 2.5 * second))
    assert.deepEqual(idsOf(await look()), [6])
  })

  test('a manual run over last week is found by when it was written', async () => {
    const { look, clock } = await following({ overlap: '1m', sweep: '5m' })
    await look()
    const written = new Date(start + 2 * minute).toISOString()
    world.alerts.push(
      elasticAlert(7, start - 7 * 24 * 60 * minute, { 'kibana.alert.start': written }),
    )
    clock.now = start + 3 * minute
    assert.deepEqual(idsOf(await look()), [], 'not by the quick look')
    clock.now = start + 7 * minute
    assert.deepEqual(idsOf(await look()), [7])
    clock.now = start + 8 * minute
    assert.deepEqual(await look(), [])
  })

  test('it goes on after a restart where it was, less the overlap', async () => {
    const first = await following({ overlap: '1s' })
    const cursor = (await first.look()).at(-1)?.cursor
    world.alerts.push(elasticAlert(6, start + 6 * second))
    const { look } = await following({ overlap: '1s' }, cursor)
    assert.deepEqual(idsOf(await look()), [4, 5, 6])
  })

  test('the cursor of a page leads no further than the page', async () => {
    const { look } = await following({ overlap: '0s' })
    const [page] = await look()
    const again = await following({ overlap: '0s' }, page?.cursor)
    assert.deepEqual(idsOf(await again.look()), [2, 3, 4, 5])
  })

  test('a time that lies ahead of our clock hides nothing that is written after it', async () => {
    world.alerts.push(elasticAlert(9, start + 24 * 60 * minute))
    const { look } = await following({ overlap: '1s' })
    await look()
    world.alerts.push(elasticAlert(10, start + minute + second))
    assert.deepEqual(idsOf(await look()), [10])
  })

  test('without a cursor it begins now unless told otherwise', async () => {
    world.alerts.push(elasticAlert(6, start + minute))
    const { look } = await following({ from: 'now', overlap: '1s' })
    assert.deepEqual(idsOf(await look()), [6])
    const since = await following({ from: '2026-07-01T10:00:05Z', overlap: '0s' })
    assert.deepEqual(idsOf(await since.look()), [5, 6])
  })

  test('an empty look says that the cluster answers', async () => {
    world.alerts = []
    const { look } = await following()
    const pages = await look()
    assert.deepEqual(
      pages.map(({ records }) => records),
      [[]],
    )
  })

  test('closed alerts, building blocks, low risk and other tags are not even asked for', async () => {
    world.alerts = [
      elasticAlert(1, start, { 'kibana.alert.workflow_status': 'closed' }),
      elasticAlert(2, start, { 'kibana.alert.building_block_type': 'default' }),
      elasticAlert(3, start, { 'kibana.alert.risk_score': 21 }),
      elasticAlert(4, start, { 'kibana.alert.rule.tags': ['other'] }),
      elasticAlert(5, start, { 'kibana.alert.workflow_status': 'acknowledged' }),
    ]
    const { look } = await following({ min_risk: 47, rule_tags: ['block'] })
    assert.deepEqual(idsOf(await look()), [5])
    const all = { statuses: ['open', 'acknowledged', 'closed'], building_blocks: true }
    assert.deepEqual(idsOf(await (await following(all)).look()), [1, 2, 3, 4, 5])
  })

  test('every space is a source of its own', async () => {
    world.spaces.push('soc')
    const soc = { ...elasticAlert(8, start), _index: '.internal.alerts-security.alerts-soc-000001' }
    world.alerts.push(soc)
    assert.deepEqual(idsOf(await (await following({}, undefined, 'soc')).look()), [8])
    assert.deepEqual(idsOf(await (await following()).look()), [1, 2, 3, 4, 5])
  })

  describe('and when the cluster fails', () => {
    const at = (on: RegExp, answer: Fault['answer']) => world.faults.push({ on, answer })
    const searched = /POST \/_search/

    test('a point in time that ran out between two pages is opened anew, and nothing is doubled or lost', async () => {
      const { look } = await following()
      at(searched, (response, { pits }) => {
        pits.clear()
        sayError(response, 404, 'search_context_missing_exception')
      })
      world.faults.unshift({ on: searched, answer: firstPage })
      assert.deepEqual(idsOf(await look()), [1, 2, 3, 4, 5])
      assert.equal(
        world.asked.filter((line) => line.includes('/_pit') && line.startsWith('POST')).length,
        2,
      )
    })

    test('a cluster that forgets points in time at once is a problem and no endless loop', async () => {
      const { look } = await following()
      const gone: Fault['answer'] = (response) =>
        sayError(response, 404, 'search_context_missing_exception')
      at(searched, gone)
      await assert.rejects(look(), { code: 'service_unreachable' })
      world.pits.clear()
    })

    for (const [what, broken] of [
      ['that ran out of time', { timed_out: true }],
      ['without some of its shards', { _shards: { total: 5, successful: 3, failed: 2 } }],
      ['without a remote cluster', { _clusters: { total: 2, successful: 1, skipped: 1 } }],
    ] as const)
      test(`an answer ${what} moves nothing`, async () => {
        const { look } = await following()
        at(searched, (response) => say(response, 200, { ...part, ...broken }))
        await assert.rejects(look(), { code: 'service_unreachable' })
        assert.deepEqual(idsOf(await (await following()).look()), [1, 2, 3, 4, 5])
      })

    for (const [status, type, code, remedy] of [
      [400, 'parsing_exception', 'invalid_input', /version 8 or 9/],
      [401, 'security_exception', 'unauthenticated', /api_key/],
      [403, 'security_exception', 'forbidden', /view_index_metadata/],
      [404, 'index_not_found_exception', 'not_found', /spaces/],
      [429, 'es_rejected_execution_exception', 'rate_limited', /less often/],
      [500, 'search_phase_execution_exception', 'service_unreachable', /health of the cluster/],
      [503, 'cluster_block_exception', 'service_unreachable', /health of the cluster/],
    ] as const)
      test(`status ${status} is ${code}, with a remedy`, async () => {
        const { look } = await following()
        at(/_pit/, (response) => sayError(response, status, type))
        await assert.rejects(look(), (problem) => {
          assert.ok(problem instanceof Error && 'code' in problem && 'remedy' in problem)
          assert.equal(problem.code, code)
          assert.match(String(problem.remedy), remedy)
          return true
        })
      })

    test('an expired key is told without the key', async () => {
      world.authorization = 'ApiKey another'
      const { look } = await following()
      await assert.rejects(look(), (problem) => {
        assert.ok(!JSON.stringify(problem).includes('a2V5OnNlY3JldA'))
        return true
      })
    })

    test('a space that nobody has is said to be unknown', async () => {
      const { look } = await following({}, undefined, 'nowhere')
      await assert.rejects(look(), {
        code: 'not_found',
        message: 'elasticsearch knows no .alerts-security.alerts-nowhere',
      })
    })

    test('who answers without the product header is not Elasticsearch', async () => {
      at(/_pit/, (response) => void response.end('{"id":"x"}'))
      await assert.rejects((await following()).look(), {
        code: 'invalid_input',
        message: 'who answers is not Elasticsearch',
      })
    })

    test('an answer that is no search result is refused', async () => {
      const { look } = await following()
      at(searched, (response) => say(response, 200, { hits: 'none' }))
      await assert.rejects(look(), { code: 'invalid_input' })
    })

    test('the same page again and again is a problem and no endless loop', async () => {
      const { look } = await following()
      for (let n = 0; n < 3; n++) at(searched, firstPage)
      await assert.rejects(look(), {
        code: 'invalid_input',
        message: 'elasticsearch answers with the same page again',
      })
    })

    test('no answer within the time limit is a problem', async () => {
      // One of its own: on a busy machine a request comes in after it was given up, and would take the fault of another.
      const silent = await openWeb(() => {})
      const { look } = await following({ timeout: '50ms', nodes: [silent.url] })
      await assert.rejects(look(), {
        code: 'service_unreachable',
        message: /did not answer in time/,
      })
      await silent.close()
    })

    test('a cursor of somebody else is refused and not overwritten', async () => {
      await assert.rejects((await following({}, '{"version":9}')).look(), { code: 'invalid_input' })
    })

    test('being stopped while an answer is waited for is no fault', async () => {
      at(/_pit/, () => {})
      const { look, stop } = await following()
      const looking = look()
      await stop()
      assert.deepEqual(await looking, [])
    })
  })

  const part = {
    pit_id: 'none',
    took: 1,
    timed_out: false,
    _shards: { failed: 0 },
    hits: { hits: [] },
  }
  const firstPage: Fault['answer'] = (response, { pits, alerts }) => {
    const pit = [...pits.keys()].at(-1)
    const hits = alerts.slice(0, 2).map((hit, n) => ({
      ...hit,
      sort: [Date.parse(String(hit._source['@timestamp'])), hit._id, n],
    }))
    say(response, 200, { ...part, pit_id: pit, hits: { hits } })
  }
})

describe('the cluster has to prove who it is', () => {
  const looked = async (tls: { cert: string; key: string }, more: Record<string, unknown>) => {
    const world = elasticWorld({ alerts: [elasticAlert(1, start)] })
    const { url, close } = await startElastic(world, tls)
    const { look, stop } = followElastic(elasticSettings(url, more))
    try {
      return idsOf(await look())
    } finally {
      await stop()
      await close()
    }
  }
  const fingerprintOf = (cert: string) => new X509Certificate(cert).fingerprint256
  const refused = { code: 'untrusted_service' }

  test('an authority of one’s own is trusted by its certificate, and nobody else', async () => {
    const tls = await ownCertificate()
    assert.deepEqual(await looked(tls, { ca: tls.cert }), [1])
    await assert.rejects(looked(tls, {}), refused)
  })

  test('or by its fingerprint, however that is spelled', async () => {
    const tls = await ownCertificate()
    const fingerprint = fingerprintOf(tls.cert)
    const plain = fingerprint.replaceAll(':', '').toLowerCase()
    assert.deepEqual(await looked(tls, { ca_fingerprint: fingerprint }), [1])
    assert.deepEqual(await looked(tls, { ca_fingerprint: plain }), [1])
    const other = fingerprintOf((await ownCertificate()).cert)
    await assert.rejects(looked(tls, { ca_fingerprint: other }), refused)
  })

  test('a node that was signed by the pinned authority is trusted', async () => {
    const authority = await ownCertificate()
    const node = await generate([{ name: 'commonName', value: 'node' }], {
      keyType: 'ec',
      algorithm: 'sha256',
      ca: { cert: authority.cert, key: authority.key },
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    })
    const tls = { cert: `${node.cert}\n${authority.cert}`, key: node.private }
    const pinned = { ca_fingerprint: fingerprintOf(authority.cert) }
    assert.deepEqual(await looked(tls, pinned), [1])
  })

  test('who only shows the pinned certificate, and has no key of it, is not believed', async () => {
    const [authority, impostor] = [await ownCertificate(), await ownCertificate()]
    const tls = { cert: `${impostor.cert}\n${authority.cert}`, key: impostor.key }
    const pinned = { ca_fingerprint: fingerprintOf(authority.cert) }
    await assert.rejects(looked(tls, pinned), refused)
  })

  for (const [what, settings] of [
    ['plain HTTP beyond loopback', { nodes: ['http://192.0.2.1:9200'], api_key: 'x' }],
    ['neither key nor password', { nodes: ['https://192.0.2.1:9200'] }],
    [
      'both key and password',
      { nodes: ['https://192.0.2.1:9200'], api_key: 'x', user: 'u', password: 'p' },
    ],
    ['a password in the address', { nodes: ['https://u:p@192.0.2.1:9200'], api_key: 'x' }],
  ] as const)
    test(`${what} is refused before anything is sent`, async () => {
      const { look, stop } = followElastic(
        elasticSettings('https://192.0.2.1', { api_key: undefined, ...settings }),
      )
      await assert.rejects(look(), { code: 'setting_invalid' })
      await stop()
    })

  test('a user with a password is asked for as one', async () => {
    const basic = `Basic ${Buffer.from('elastic:secret').toString('base64')}`
    const world = elasticWorld({ authorization: basic, alerts: [elasticAlert(1, start)] })
    const { url, close } = await startElastic(world)
    const { look, stop } = followElastic(
      elasticSettings(url, { api_key: undefined, user: 'elastic', password: 'secret' }),
    )
    assert.deepEqual(idsOf(await look()), [1])
    await stop()
    await close()
  })
})
