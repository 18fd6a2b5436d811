/** Results in a data stream of Elastic: each once, in order, none lost, whatever the cluster does meanwhile. */
import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Sink } from '#contract/result.ts'
import { connector } from '../../connectors/elastic/connector.ts'
import { elasticWorld, type Fault, sayError, startElastic } from '../doubles/elastic.ts'
import { documentsOf, rollOver } from '../doubles/elastic-writes.ts'
import { give, result } from './elastic-results-world.ts'
import { elasticSettings, start } from './elastic-world.ts'

const stream = 'logs-cordon.results-default'
const name = 'logs-cordon.results'
const bulk = /_bulk$/

describe('results go to a data stream', () => {
  const world = elasticWorld()
  const server = startElastic(world)
  const closing: Sink[] = []
  const sinkOf = async (more: Record<string, unknown> = {}): Promise<Sink> => {
    const settings = elasticSettings((await server).url, { results: true, ...more })
    const [sink] = connector.sinks?.(settings) ?? []
    assert.ok(sink)
    closing.push(sink)
    return sink
  }
  const sequences = () => documentsOf(world, stream).map(({ event }) => Object(event).sequence)
  const at = (on: RegExp, answer: Fault['answer']) => world.faults.push({ on, answer })

  beforeEach(() => void Object.assign(world, elasticWorld()))
  afterEach(async () => {
    for (const sink of closing.splice(0)) await sink.close?.()
  })
  after(async () => (await server).close())

  test('in the order in which they are given, as ECS that names its data stream', async () => {
    const sink = await sinkOf()
    assert.deepEqual(await give(sink, result(1), result(2)), [])
    assert.deepEqual(await give(sink, result(3)), [])
    assert.deepEqual(sequences(), [1, 2, 3])
    const [first] = documentsOf(world, stream)
    assert.deepEqual(first, {
      ...result(1).document,
      event: {
        ...Object(result(1).document.event),
        dataset: 'cordon.results',
        ingested: '2026-03-01T00:00:00.000Z',
      },
      data_stream: { type: 'logs', dataset: 'cordon.results', namespace: 'default' },
    })
  })

  test('a document without a time has that of its result', async () => {
    await give(await sinkOf(), result(1, { document: { event: { sequence: 1 } } }))
    assert.equal(
      documentsOf(world, stream)[0]?.['@timestamp'],
      new Date(start + 1_000).toISOString(),
    )
  })

  test('what comes back of it through a rule is known as our own and leads to no block', async () => {
    await give(await sinkOf({ results_dataset: 'cordon.audit' }), result(1))
    const [document] = documentsOf(world, 'logs-cordon.audit-default')
    assert.ok(document && connector.read)
    const rule = { 'kibana.alert.rule.name': 'denied', 'kibana.alert.rule.rule_id': 'denied' }
    const context = { settings: elasticSettings('http://127.0.0.1'), now: start }
    const raised = { ...document, ...rule, 'kibana.alert.uuid': 'f'.repeat(64) }
    assert.deepEqual(connector.read(raised, context), [])
    const { data_stream, event, ...stranger } = raised as Record<string, unknown>
    assert.equal(connector.read(stranger, context).length, 1, 'it is the mark that keeps it out')
  })

  test('only the actions that are asked for', async () => {
    const sink = await sinkOf()
    for (const action of ['decision.issue', 'receipt.applied', 'alert.judged', 'key.rotate'])
      assert.ok(sink.wants(action), action)
    assert.ok(!sink.wants('feed.make'))
    const few = await sinkOf({ results_actions: ['decision.lift'] })
    assert.deepEqual(['decision.lift', 'decision.issue'].map(few.wants), [true, false])
    assert.ok((await sinkOf({ results_actions: ['*'] })).wants('feed.make'))
  })

  test('nothing goes anywhere unless it is asked for', () => {
    assert.deepEqual(connector.sinks?.(elasticSettings('http://127.0.0.1')), [])
  })

  for (const [what, wrong] of [
    ['without a cluster to write to', { nodes: [] }],
    ['without a key', { api_key: undefined }],
    ['in the clear', { nodes: ['http://192.0.2.1:9200'] }],
  ] as const)
    test(`${what} that is a wrong setting`, () => {
      const settings = elasticSettings('http://127.0.0.1', { results: true, ...wrong })
      assert.throws(() => connector.sinks?.(settings), { code: 'setting_invalid' })
    })

  describe('what was taken before is not written twice', () => {
    test('when the answer was lost', async () => {
      const sink = await sinkOf()
      world.lost.push(bulk)
      await assert.rejects(give(sink, result(1), result(2)), { code: 'service_unreachable' })
      assert.deepEqual(sequences(), [1, 2], 'it was written all the same')
      assert.deepEqual(await give(sink, result(1), result(2), result(3)), [])
      assert.deepEqual(sequences(), [1, 2, 3])
    })

    test('when a rollover came between the tries', async () => {
      const sink = await sinkOf()
      world.lost.push(bulk)
      await assert.rejects(give(sink, result(1)))
      rollOver(world, stream)
      await give(sink, result(1), result(2))
      assert.deepEqual(sequences(), [1, 2])
    })

    test('when the service was restarted', async () => {
      await give(await sinkOf(), result(1), result(2))
      rollOver(world, stream)
      await give(await sinkOf(), result(1), result(2), result(3))
      assert.deepEqual(sequences(), [1, 2, 3])
    })

    test('when a try that was given up is still being written', async () => {
      const conflict = { status: 409, type: 'version_conflict_engine_exception' }
      world.written.refuse = (id) => (id === result(1).id ? conflict : undefined)
      assert.deepEqual(await give(await sinkOf(), result(1), result(2)), [])
    })

    test('and a steady stream is not looked through again and again', async () => {
      const sink = await sinkOf()
      for (let number = 1; number <= 4; number++) await give(sink, result(number))
      assert.equal(world.asked.filter((line) => line.endsWith('_search')).length, 1)
    })
  })

  describe('nothing is lost while the cluster is away or busy', () => {
    for (const [what, answer, code] of [
      [
        'a busy cluster',
        (response) => sayError(response, 429, 'es_rejected_execution_exception'),
        'rate_limited',
      ],
      [
        'a cluster that starts',
        (response) => sayError(response, 503, 'cluster_block_exception'),
        'service_unreachable',
      ],
      ['a cut connection', (response) => void response.destroy(), 'service_unreachable'],
      [
        'somebody who is not Elasticsearch',
        (response) => void response.end('{"items":[]}'),
        'invalid_input',
      ],
    ] as const satisfies [string, Fault['answer'], string][])
      test(`${what} has the batch tried again`, async () => {
        const sink = await sinkOf()
        at(bulk, answer)
        await assert.rejects(give(sink, result(1), result(2)), { code })
        assert.deepEqual(await give(sink, result(1), result(2)), [])
        assert.deepEqual(sequences(), [1, 2])
      })

    test('one item that found no room has the whole batch tried again, and the rest is not doubled', async () => {
      const sink = await sinkOf()
      let busy = true
      world.written.refuse = (id) =>
        busy && id === result(2).id
          ? { status: 429, type: 'es_rejected_execution_exception' }
          : undefined
      await assert.rejects(give(sink, result(1), result(2), result(3)), { code: 'rate_limited' })
      busy = false
      assert.deepEqual(await give(sink, result(1), result(2), result(3)), [])
      assert.deepEqual(sequences().toSorted(), [1, 2, 3])
    })

    for (const [status, block] of [
      [429, 'TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark'],
      [403, 'FORBIDDEN/8/index write (api)'],
    ] as const)
      test(`an index that is closed to writes with ${status} is told as that, not as a right that is missing`, async () => {
        const sink = await sinkOf()
        const reason = `index [x] blocked by: [${block}];`
        world.written.refuse = () => ({ status, type: 'cluster_block_exception', reason })
        await assert.rejects(give(sink, result(1)), (problem) => {
          assert.ok(problem instanceof Problem)
          assert.equal(problem.code, 'service_unreachable')
          assert.ok(problem.message.includes(block), problem.message)
          assert.match(problem.remedy ?? '', /disk space.*write block/)
          return true
        })
        world.written.refuse = () => undefined
        await give(sink, result(1))
        assert.deepEqual(sequences(), [1])
      })

    test('an answer without all of its items is believed for none', async () => {
      const sink = await sinkOf()
      at(bulk, (response) => {
        response.writeHead(200, {
          'x-elastic-product': 'Elasticsearch',
          'content-type': 'application/json',
        })
        response.end('{"errors":false,"items":[]}')
      })
      await assert.rejects(give(sink, result(1)), { code: 'service_unreachable' })
    })

    test('a key that may not write is told which right it lacks, and the result waits', async () => {
      const sink = await sinkOf()
      world.written.missing = ['create_doc']
      await assert.rejects(give(sink, result(1)), (problem) => {
        assert.ok(problem instanceof Problem)
        assert.equal(problem.code, 'forbidden')
        assert.match(problem.remedy ?? '', /create_doc/)
        return true
      })
      world.written.missing = []
      await give(sink, result(1))
      assert.deepEqual(sequences(), [1])
    })

    test('being stopped in the middle throws and doubles nothing', async () => {
      const sink = await sinkOf()
      at(bulk, () => {})
      const stopped = new AbortController()
      const taking = sink.take([result(1)], stopped.signal)
      const refused = assert.rejects(taking)
      while (!world.asked.some((line) => bulk.test(line))) await new Promise(setImmediate)
      stopped.abort()
      await refused
      await give(sink, result(1))
      assert.deepEqual(sequences(), [1])
    })
  })

  describe('what can never be taken is refused alone', () => {
    test('a mapping conflict, with what to do about it', async () => {
      const sink = await sinkOf()
      world.written.refuse = (id) =>
        id === result(2).id
          ? {
              status: 400,
              type: 'document_parsing_exception',
              reason: 'object mapping [x] found a value',
            }
          : undefined
      const [refusal, ...more] = await give(sink, result(1), result(2), result(3))
      assert.deepEqual(more, [])
      assert.equal(refusal?.id, result(2).id)
      assert.equal(refusal?.problem.code, 'invalid_input')
      assert.match(refusal?.problem.message ?? '', /object mapping \[x\]/)
      assert.match(refusal?.problem.remedy ?? '', /_rollover/)
      assert.deepEqual(sequences(), [1, 3])
    })

    test('a document that a proxy finds too large, and the rest of its request goes', async () => {
      const sink = await sinkOf()
      await give(sink, result(1))
      world.written.mostBytes = 3_000
      const large = result(3, { document: { event: { sequence: 3 }, message: 'x'.repeat(3_000) } })
      const refusals = await give(sink, result(2), large, result(4), result(5))
      assert.deepEqual(
        refusals.map(({ id, problem }) => [id, problem.code]),
        [[large.id, 'too_large']],
      )
      assert.deepEqual(sequences(), [1, 2, 4, 5])
    })
  })

  test('a batch of many megabytes goes in several requests, in order', async () => {
    const sink = await sinkOf()
    const large = [1, 2, 3, 4].map((number) =>
      result(number, { document: { event: { sequence: number }, message: 'x'.repeat(2_000_000) } }),
    )
    assert.deepEqual(await give(sink, ...large), [])
    assert.equal(world.asked.filter((line) => bulk.test(line)).length, 2)
    assert.deepEqual(sequences(), [1, 2, 3, 4])
  })

  describe('what the data stream needs', () => {
    test('is put before the first result, the template last, and not again', async () => {
      const sink = await sinkOf()
      await give(sink, result(1))
      await give(sink, result(2))
      assert.deepEqual(
        world.asked.filter((line) => line.startsWith('PUT ') && !bulk.test(line)),
        [
          `PUT /_ilm/policy/${name}`,
          `PUT /_ingest/pipeline/${name}`,
          `PUT /_index_template/${name}`,
        ],
      )
      await give(await sinkOf(), result(3))
      assert.equal(world.asked.filter((line) => line === `PUT /_index_template/${name}`).length, 1)
    })

    test('stays as a person edited it, or made it himself', async () => {
      await give(await sinkOf(), result(1))
      const template = world.written.templates.get(name)
      const edited = { ...template, priority: 300 }
      world.written.templates.set(name, edited)
      const own = { description: 'mine', version: 7, _meta: { managed_by: 'me', version: 0 } }
      world.written.pipelines.set(name, own)
      await give(await sinkOf(), result(2))
      assert.equal(world.written.templates.get(name), edited)
      assert.equal(world.written.pipelines.get(name), own)
    })

    test('stays when it is of a newer Cordon', async () => {
      await give(await sinkOf(), result(1))
      const newer = { managed_by: 'cordon', version: 99, settings: 'other' }
      const template = { ...world.written.templates.get(name), _meta: newer }
      world.written.templates.set(name, template)
      await give(await sinkOf(), result(2))
      assert.equal(world.written.templates.get(name), template)
    })

    test('is put anew when it is ours and of an older version, or of other settings', async () => {
      await give(await sinkOf(), result(1))
      const older = { managed_by: 'cordon', version: 0, settings: '' }
      world.written.templates.set(name, { ...world.written.templates.get(name), _meta: older })
      await give(await sinkOf({ results_keep: '90d' }), result(2))
      assert.deepEqual(Object(world.written.templates.get(name)?._meta).version, 3)
      const { policy } = Object(world.written.policies.get(name))
      assert.equal(policy.phases.delete.min_age, '90d')
      await give(await sinkOf({ results_keep: 'forever' }), result(3))
      assert.ok(!('delete' in Object(world.written.policies.get(name)).policy.phases))
    })

    test('a key that may not put it is told which right it lacks, and the result waits', async () => {
      const sink = await sinkOf()
      world.written.missing = ['manage_ilm']
      await assert.rejects(give(sink, result(1)), (problem) => {
        assert.ok(problem instanceof Problem)
        assert.equal(problem.code, 'forbidden')
        assert.match(problem.remedy ?? '', /manage_ilm.*setup of elastic/)
        return true
      })
      assert.deepEqual(documentsOf(world, stream), [])
    })

    test('is left to the user with setup false, and is missed by name', async () => {
      const sink = await sinkOf({ setup: false })
      await assert.rejects(give(sink, result(1)), { code: 'not_found', message: /no data stream/ })
      await give(await sinkOf(), result(1))
      world.written.pipelines.clear()
      await assert.rejects(give(sink, result(2)), {
        code: 'not_found',
        message: /no ingest pipeline/,
      })
      assert.ok(!world.asked.slice(-3).some((line) => line.startsWith('PUT /_ingest')))
    })

    test('a pipeline that somebody deletes is put again, and no result is refused for it', async () => {
      const sink = await sinkOf()
      await give(sink, result(1))
      world.written.pipelines.clear()
      await assert.rejects(give(sink, result(2)), { code: 'not_found' })
      assert.deepEqual(await give(sink, result(2)), [])
      assert.deepEqual(sequences(), [1, 2])
    })
  })
})
