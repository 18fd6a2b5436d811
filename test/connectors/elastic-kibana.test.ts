/** Alerts of Elastic bear what was decided of them: status, tag and comments, once, however often it is told. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Sink } from '#contract/result.ts'
import { connector } from '../../connectors/elastic/connector.ts'
import { elasticWorld, type Stored } from '../doubles/elastic.ts'
import {
  type KibanaCase,
  type KibanaFault,
  kibanaWorld,
  sayKibana,
  sayKibanaError,
  startKibana,
  tagsOf,
} from '../doubles/elastic-kibana.ts'
import { alertOf, decision, give, inSpace, resultAbout } from './elastic-results-world.ts'
import { elasticAlert, elasticSettings, start } from './elastic-world.ts'
import { ownCertificate } from './told.ts'

const status = /signals\/status$/
const tags = /signals\/tags$/
const search = /signals\/search$/

const cut: KibanaFault['answer'] = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
  response.write('{"total":')
  setImmediate(() => response.destroy())
}

const conflicted: KibanaFault['answer'] = (response) =>
  sayKibana(response, 200, { timed_out: false, version_conflicts: 1, failures: [] })

describe('an alert is marked with what was decided of it', () => {
  const elastic = elasticWorld()
  const world = kibanaWorld(elastic)
  const server = startKibana(world)
  const sinkOf = async (more: Record<string, unknown> = {}): Promise<Sink> => {
    const kibana = (await server).url
    const [sink] = connector.sinks?.(elasticSettings('http://127.0.0.1', { kibana, ...more })) ?? []
    assert.ok(sink)
    return sink
  }
  const at = (on: RegExp, answer: KibanaFault['answer']) => world.faults.push({ on, answer })
  const asked = (on: RegExp) => world.asked.filter((line) => on.test(line)).length
  const standing = ({ _source }: Stored) => [
    _source['kibana.alert.workflow_status'],
    ...tagsOf(_source),
  ]
  const caseOf = (...alerts: Stored[]): KibanaCase => {
    const id = `case-${world.cases.length + 1}`
    for (const { _source } of alerts) _source['kibana.alert.case_ids'] = [id]
    const made = { id, space: 'default', title: 'x', tags: [], severity: 'low', comments: [] }
    const one = { ...made, alerts: alerts.map(({ _id }) => _id) }
    world.cases.push(one)
    return one
  }
  let alerts: Stored[]
  let [first, second, third]: [Stored, Stored, Stored] = [
    elasticAlert(1, start),
    elasticAlert(2, start),
    elasticAlert(3, start),
  ]
  beforeEach(() => {
    ;[first, second, third] = [1, 2, 3].map((n) => elasticAlert(n, start)) as typeof alerts &
      [Stored, Stored, Stored]
    alerts = [first, second, third]
    elastic.alerts = alerts
    Object.assign(world, kibanaWorld(elastic))
  })
  after(async () => (await server).close())

  test('a block makes it acknowledged and tags it, and no other alert', async () => {
    assert.deepEqual(await give(await sinkOf(), resultAbout([first, second])), [])
    assert.deepEqual(alerts.map(standing), [
      ['acknowledged', 'cordon:blocked'],
      ['acknowledged', 'cordon:blocked'],
      ['open'],
    ])
    assert.equal(asked(status), 1, 'one call for all')
    assert.equal(asked(tags), 1)
  })

  for (const [what, about, tag] of [
    ['a question', { state: 'waiting', outcome: 'review' }, 'cordon:waiting'],
    ['a watch', { state: 'noted', outcome: 'watch' }, 'cordon:watched'],
    ['what is ignored', { state: 'noted', outcome: 'ignore' }, 'cordon:ignored'],
    ['a no', { state: 'declined', outcome: 'review', actor: 'token/alice' }, 'cordon:declined'],
    ['a lift', { state: 'ended', ended: 'lifted', actor: 'token/alice' }, 'cordon:lifted'],
    ['an end', { state: 'ended', ended: 'expired', actor: 'token/alice' }, 'cordon:expired'],
    ['a lift that nobody calls so', { state: 'ended' }, 'cordon:lifted'],
    ['an end that nobody calls so', { state: 'ended', notAfter: start }, 'cordon:expired'],
  ] as const)
    test(`${what} tags it ${tag} and leaves its status alone`, async () => {
      await give(await sinkOf(), resultAbout([first], 1, { decision: decision(about) }))
      assert.deepEqual(standing(first), ['open', tag])
    })

  test('the tag of a former state goes, and those of people stay', async () => {
    first._source['kibana.alert.workflow_tags'] = ['cordon:waiting', 'Duplicate']
    await give(await sinkOf(), resultAbout([first]))
    assert.deepEqual(tagsOf(first._source), ['Duplicate', 'cordon:blocked'])
  })

  test('the last of a batch says how it stands, in one change', async () => {
    const waiting = decision({ state: 'waiting', outcome: 'review' })
    const sink = await sinkOf()
    await give(
      sink,
      resultAbout([first], 1, { action: 'decision.wait', decision: waiting }),
      resultAbout([first], 2, { action: 'decision.approve' }),
    )
    assert.deepEqual(standing(first), ['acknowledged', 'cordon:blocked'])
    assert.equal(asked(tags), 1)
  })

  test('what a person has closed stays closed', async () => {
    first._source['kibana.alert.workflow_status'] = 'closed'
    await give(await sinkOf(), resultAbout([first]))
    assert.deepEqual(standing(first), ['closed', 'cordon:blocked'])
    const closing = { close_on: ['blocked'], close_reason: 'duplicate' }
    await give(await sinkOf(closing), resultAbout([first]))
    assert.equal(asked(status), 0, 'nor is it closed again, with another reason')
  })

  test('settings say what closes an alert and why, and what acknowledges none', async () => {
    const sink = await sinkOf({
      acknowledge_on: [],
      close_on: ['ignored'],
      close_reason: 'low_severity',
    })
    const ignored = decision({ state: 'noted', outcome: 'ignore' })
    await give(sink, resultAbout([first]), resultAbout([second], 2, { decision: ignored }))
    assert.deepEqual(alerts.map(standing).slice(0, 2), [
      ['open', 'cordon:blocked'],
      ['closed', 'cordon:ignored'],
    ])
    assert.equal(second._source['kibana.alert.workflow_reason'], 'low_severity')
  })

  test('given again it changes nothing', async () => {
    const sink = await sinkOf()
    await give(sink, resultAbout([first]))
    const changes = asked(/signals\/(status|tags)$/)
    await give(sink, resultAbout([first]))
    assert.equal(asked(/signals\/(status|tags)$/), changes)
  })

  test('alerts of several spaces are found in theirs, by the record or by the index', async () => {
    const [told, untold] = [
      inSpace(elasticAlert(4, start, { 'kibana.space_ids': ['soc'] }), 'soc'),
      inSpace(elasticAlert(5, start), 'night-shift'),
    ]
    elastic.alerts.push(told, untold)
    assert.deepEqual(await give(await sinkOf(), resultAbout([first, told, untold])), [])
    for (const alert of [first, told, untold])
      assert.deepEqual(standing(alert), ['acknowledged', 'cordon:blocked'])
    assert.ok(world.asked.includes('POST /s/night-shift/api/detection_engine/signals/status'))
  })

  test('one that was pushed without its index is looked for in the space of the settings', async () => {
    const moved = inSpace(first, 'soc')
    elastic.alerts = [moved]
    const pushed = { '@timestamp': '2026-07-01T10:00:00Z', kibana: { alert: { uuid: first._id } } }
    assert.deepEqual(await give(await sinkOf({ kibana_space: 'soc' }), resultAbout([pushed])), [])
    assert.deepEqual(standing(moved), ['acknowledged', 'cordon:blocked'])
  })

  test('one whose record was cut is found by what is left of it', async () => {
    const large = elasticAlert(1, start, { 'process.command_line': 'x'.repeat(20_000) })
    const { original_cut, original } = alertOf(large)
    assert.ok(original_cut && original.length < 20_000)
    await give(await sinkOf(), resultAbout([large]))
    assert.deepEqual(standing(first), ['acknowledged', 'cordon:blocked'])
  })

  test('text of an attacker in a record that was cut names no other alert', async () => {
    const forged = `","_id":"${second._id}","kibana.alert.uuid":"${second._id}`
    const large = { '@timestamp': 'x', 'user.name': forged, long: 'x'.repeat(20_000) }
    const [refusal] = await give(await sinkOf(), resultAbout([large]))
    assert.equal(refusal?.problem.code, 'invalid_input')
    assert.deepEqual(standing(second), ['open'])
  })

  test('what is about no alert of Elastic is passed over without a word', async () => {
    assert.deepEqual(await give(await sinkOf(), resultAbout([])), [])
    assert.deepEqual(world.asked, [])
  })

  test('what is gone from Elastic is refused, with its neighbours marked', async () => {
    elastic.alerts = [first]
    const refusals = await give(await sinkOf(), resultAbout([second], 1), resultAbout([first], 2))
    assert.deepEqual(
      refusals.map(({ id, problem }) => [id === resultAbout([second], 1).id, problem.code]),
      [[true, 'not_found']],
    )
    assert.deepEqual(standing(first), ['acknowledged', 'cordon:blocked'])
  })

  test('one of a remote cluster is refused: its Kibana is another', async () => {
    const remote = { ...first, _index: `paris:${first._index}` }
    const [refusal] = await give(await sinkOf(), resultAbout([remote]))
    assert.equal(refusal?.problem.code, 'unsupported')
    assert.deepEqual(standing(first), ['open'])
  })

  describe('and the cases that hold it hear of it', () => {
    test('in a comment that says what, whom, until when and why', async () => {
      const holding = caseOf(first)
      await give(await sinkOf(), resultAbout([first, second]))
      const [comment, ...more] = holding.comments
      assert.deepEqual(more, [])
      assert.match(
        comment?.comment ?? '',
        /issue of 203\.0\.113\.7, now blocked until 2026-07-01T11:00/,
      )
      assert.match(comment?.comment ?? '', /seen 12 times/)
      assert.match(comment?.comment ?? '', /d-4x7k2m9qz1hb0wfa/)
    })

    test('once, also when the answer to it was lost', async () => {
      const holding = caseOf(first)
      const sink = await sinkOf()
      world.lost.push(/POST .*\/comments$/)
      await assert.rejects(give(sink, resultAbout([first])), { code: 'service_unreachable' })
      assert.equal(holding.comments.length, 1, 'it was written all the same')
      await give(sink, resultAbout([first]), resultAbout([first], 2))
      await give(await sinkOf(), resultAbout([first]), resultAbout([first], 2))
      assert.equal(holding.comments.length, 2)
    })

    test('once, also when people have written hundreds of comments since', async () => {
      const holding = caseOf(first)
      const sink = await sinkOf()
      await give(sink, resultAbout([first]))
      const later = new Date(start + 60_000).toISOString()
      for (let n = 0; n < 250; n++) holding.comments.push({ comment: `${n}`, created_at: later })
      await give(sink, resultAbout([first]))
      assert.equal(holding.comments.length, 251)
    })

    test('without reading years of comments from before', async () => {
      const holding = caseOf(first)
      const before = new Date(start - 365 * 86_400_000).toISOString()
      for (let n = 0; n < 250; n++) holding.comments.push({ comment: `${n}`, created_at: before })
      await give(await sinkOf(), resultAbout([first]))
      assert.equal(asked(/comments\/_find$/), 1)
      assert.equal(holding.comments.length, 251)
    })

    test('and what an attacker chose is no link and no picture in it', async () => {
      const holding = caseOf(first)
      const reasons = ['user ![x](https://evil.example/a) <img src=x> `y` www.evil.example\u202e']
      await give(await sinkOf(), resultAbout([first], 1, { decision: decision({ reasons }) }))
      const text = holding.comments[0]?.comment ?? ''
      for (const raw of ['![x](', 'https://', ' <img', ' `y`', 'www.evil', '\u202e'])
        assert.ok(!text.includes(raw), raw)
      assert.match(text, /\\!\\\[x\\\]\\\(https\\:\/\/evil/)
    })

    test('of the decision, not of the alert that it was judged', async () => {
      const holding = caseOf(first)
      await give(await sinkOf(), resultAbout([first], 1, { action: 'alert.judged' }))
      assert.deepEqual(holding.comments, [])
      assert.deepEqual(standing(first), ['acknowledged', 'cordon:blocked'])
    })

    test('unless nobody wants that', async () => {
      const holding = caseOf(first)
      await give(await sinkOf({ cases: 'off' }), resultAbout([first]))
      assert.deepEqual(holding.comments, [])
    })

    test('but not one that was deleted', async () => {
      caseOf(first)
      world.cases = []
      assert.deepEqual(await give(await sinkOf(), resultAbout([first])), [])
    })

    test('a case of its own is made for a decision once, and holds the alerts', async () => {
      const sink = await sinkOf({ cases: 'create' })
      world.lost.push(/POST \/api\/cases$/)
      await assert.rejects(give(sink, resultAbout([first, second])))
      await give(sink, resultAbout([first, second]))
      const lift = {
        action: 'decision.lift',
        decision: decision({ state: 'ended', actor: 'token/a' }),
      }
      await give(sink, resultAbout([first, second], 2, lift))
      assert.equal(world.cases.length, 1)
      const [made] = world.cases
      assert.deepEqual(made?.tags, ['cordon', 'cordon:d-4x7k2m9qz1hb0wfa'])
      assert.equal(made?.severity, 'high')
      assert.deepEqual(made?.alerts, [first._id, second._id])
      assert.equal(made?.comments.length, 2, 'the block and the lift')
    })

    test('and none for what is only watched', async () => {
      const watched = decision({ state: 'noted', outcome: 'watch' })
      await give(await sinkOf({ cases: 'create' }), resultAbout([first], 1, { decision: watched }))
      assert.deepEqual(world.cases, [])
    })
  })

  describe('nothing is lost while Kibana is away, busy or shut', () => {
    for (const [what, answer, code] of [
      ['a busy Kibana', (response) => sayKibanaError(response, 429), 'rate_limited'],
      ['a Kibana that starts', (response) => sayKibanaError(response, 503), 'service_unreachable'],
      ['a cut connection', (response) => void response.destroy(), 'service_unreachable'],
      ['an answer cut in the middle', cut, 'service_unreachable'],
      ['a login page', (response) => void response.end('<html>'), 'service_unreachable'],
      ['a redirect', (response) => void response.writeHead(302).end(), 'service_unreachable'],
      ['a wrong path', (response) => sayKibanaError(response, 404), 'not_found'],
      ['a conflict', (response) => sayKibanaError(response, 409), 'service_unreachable'],
      ['a change that others met', conflicted, 'service_unreachable'],
    ] as const satisfies [string, KibanaFault['answer'], string][])
      for (const on of [search, status, tags]) {
        if (what === 'a change that others met' && on === search) continue
        test(`${what} at ${on.source} has the batch tried again`, async () => {
          const sink = await sinkOf()
          at(on, answer)
          await assert.rejects(give(sink, resultAbout([first])), { code })
          assert.deepEqual(await give(sink, resultAbout([first])), [])
          assert.deepEqual(standing(first), ['acknowledged', 'cordon:blocked'])
        })
      }

    test('how long Kibana asks to wait is passed on', async () => {
      at(search, (response) => {
        response.setHeader('retry-after', '7')
        sayKibanaError(response, 429)
      })
      await assert.rejects(give(await sinkOf(), resultAbout([first])), { retryMs: 7_000 })
    })

    for (const [feature, remedy] of [
      ['alerts', /Security, and read/],
      ['cases', /Cases of Security/],
    ] as const)
      test(`a key without the feature for ${feature} is told which one`, async () => {
        caseOf(first)
        world.missing = [feature]
        await assert.rejects(give(await sinkOf(), resultAbout([first])), (problem) => {
          assert.ok(problem instanceof Problem)
          assert.equal(problem.code, 'forbidden')
          assert.match(problem.remedy ?? '', remedy)
          return true
        })
      })

    test('what Kibana refuses as wrong is refused alone, and its neighbours are marked', async () => {
      const holding = caseOf(first)
      at(status, (response) => sayKibanaError(response, 400))
      const watched = decision({ state: 'noted', outcome: 'watch' })
      const refusals = await give(
        await sinkOf(),
        resultAbout([first], 1),
        resultAbout([second], 2, { decision: watched }),
      )
      assert.deepEqual(
        refusals.map(({ problem }) => problem.code),
        ['invalid_input'],
      )
      assert.deepEqual(standing(second), ['open', 'cordon:watched'])
      assert.equal(holding.comments.length, 1)
    })

    test('a refused key is told without the key', async () => {
      world.authorization = 'ApiKey other'
      await assert.rejects(give(await sinkOf(), resultAbout([first])), (problem) => {
        assert.ok(problem instanceof Problem)
        assert.equal(problem.code, 'unauthenticated')
        assert.ok(!JSON.stringify(problem).includes('a2V5OnNlY3JldA'))
        return true
      })
    })

    test('a key of its own is used where there is one', async () => {
      world.authorization = 'ApiKey b3duOmtleQ=='
      const sink = await sinkOf({ kibana_api_key: 'b3duOmtleQ==' })
      assert.deepEqual(await give(sink, resultAbout([first])), [])
    })
  })

  for (const [what, wrong] of [
    ['plain HTTP beyond loopback', { kibana: 'http://192.0.2.1:5601' }],
    ['a password in the address', { kibana: 'https://u:p@192.0.2.1:5601' }],
    ['no key', { kibana: 'https://192.0.2.1:5601', api_key: undefined }],
  ] as const)
    test(`${what} is refused before anything is sent`, () => {
      const settings = elasticSettings('http://127.0.0.1', wrong)
      assert.throws(() => connector.sinks?.(settings), { code: 'setting_invalid' })
    })

  test('Kibana has to prove who it is, by an authority of its own or by that of the cluster', async () => {
    const [tls, other] = [await ownCertificate(), await ownCertificate()]
    const secure = await startKibana(world, tls)
    const fingerprint = new X509Certificate(tls.cert).fingerprint256
    const given = async (more: Record<string, unknown>) =>
      give(await sinkOf({ kibana: secure.url, ...more }), resultAbout([first]))
    try {
      assert.deepEqual(await given({ ca: tls.cert }), [])
      assert.deepEqual(await given({ ca: other.cert, kibana_ca: tls.cert }), [])
      assert.deepEqual(await given({ ca: other.cert, kibana_ca_fingerprint: fingerprint }), [])
      await assert.rejects(given({}), { code: 'untrusted_service' })
      await assert.rejects(given({ kibana_ca: other.cert }), { code: 'untrusted_service' })
    } finally {
      await secure.close()
    }
  })
})
