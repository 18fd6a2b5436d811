/** Trying the settings of Elastic: what works is said, what does not has a remedy, and nothing is changed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, beforeEach, describe, test } from 'node:test'
import type { Finding } from '#contract/connector.ts'
import { connector } from '../../connectors/elastic/connector.ts'
import { elasticWorld, sayError, startElastic } from '../doubles/elastic.ts'
import { kibanaWorld, startKibana } from '../doubles/elastic-kibana.ts'
import { give, result } from './elastic-results-world.ts'
import { elasticAlert, elasticSettings, start } from './elastic-world.ts'

describe('the settings of Elastic are tried', () => {
  const elastic = elasticWorld()
  const kibana = kibanaWorld(elastic)
  const servers = Promise.all([startElastic(elastic), startKibana(kibana)])
  const all = async (more: Record<string, unknown> = {}) => {
    const [{ url }, { url: at }] = await servers
    return elasticSettings(url, { results: true, kibana: at, ...more })
  }
  const tried = async (more: Record<string, unknown> = {}): Promise<readonly Finding[]> =>
    (await connector.test?.(await all(more), AbortSignal.timeout(120_000))) ?? []
  const whats = (findings: readonly Finding[]) => findings.map(({ what }) => what)
  const wrong = (findings: readonly Finding[]) =>
    findings.flatMap((one) =>
      'problem' in one
        ? [{ what: one.what, code: one.problem.code, remedy: one.problem.remedy }]
        : [],
    )

  beforeEach(() => {
    Object.assign(elastic, elasticWorld({ alerts: [elasticAlert(1, start)] }))
    Object.assign(kibana, kibanaWorld(elastic))
  })
  after(async () => {
    for (const { close } of await servers) await close()
  })

  test('without the right to see the version it is that right which is named', async () => {
    elastic.faults.push({
      on: /^GET \/$/,
      answer: (response) => sayError(response, 403, 'security_exception'),
    })
    const [one] = wrong(await tried({ kibana: undefined }))
    assert.deepEqual([one?.what, one?.code], ['cluster', 'forbidden'])
    assert.match(one?.remedy ?? '', /cluster privilege monitor/)
  })

  test('in the order in which they depend on one another', async () => {
    const findings = await tried()
    assert.deepEqual(wrong(findings), [])
    assert.deepEqual(whats(findings), [
      'cluster',
      'alerts of space default',
      'ILM policy logs-cordon.results',
      'ingest pipeline logs-cordon.results',
      'index template logs-cordon.results',
      'data stream logs-cordon.results-default',
      'kibana',
      'status and tags in space default',
      'cases in space default',
    ])
    const said = findings.map((one) => ('found' in one ? one.found : ''))
    assert.match(said[0] ?? '', /Elasticsearch 9\.1\.0; the key is accepted/)
    assert.match(said[1] ?? '', /^1 alerts can be read/)
    assert.match(said[2] ?? '', /is put before the first result/)
  })

  test('and nothing is changed by it', async () => {
    const before = JSON.stringify(elastic.alerts)
    await tried()
    assert.equal(JSON.stringify(elastic.alerts), before)
    assert.equal(elastic.written.templates.size + elastic.written.streams.size, 0)
    assert.deepEqual(kibana.cases, [])
    assert.ok(!elastic.asked.some((line) => line.startsWith('PUT') || line.endsWith('_bulk')))
  })

  test('what is not asked for is not tried', async () => {
    assert.deepEqual(whats(await tried({ results: false, kibana: undefined })), [
      'cluster',
      'alerts of space default',
    ])
    assert.deepEqual(
      await connector.test?.(elasticSettings('x', { nodes: [] }), AbortSignal.any([])),
      [],
    )
  })

  test('a refused key is the only thing that is said of the cluster', async () => {
    elastic.authorization = 'ApiKey other'
    const findings = await tried({ kibana: undefined })
    assert.deepEqual(
      wrong(findings).map(({ what, code }) => [what, code]),
      [['cluster', 'unauthenticated']],
    )
    assert.equal(findings.length, 1)
    assert.ok(!JSON.stringify(findings).includes('a2V5OnNlY3JldA'))
  })

  test('a cluster that is away is said to be, with why', async () => {
    const gone = await startKibana(kibanaWorld(elastic))
    await gone.close()
    const [finding, ...more] = await tried({ nodes: [gone.url], kibana: undefined })
    assert.deepEqual(more, [])
    const problem = finding && 'problem' in finding ? finding.problem : undefined
    assert.equal(problem?.code, 'service_unreachable')
    assert.match(problem?.message ?? '', /^cannot reach elasticsearch: .*ECONNREFUSED/)
  })

  test('a space that nobody has is said to be unknown, and the others are tried', async () => {
    const findings = await tried({ spaces: ['nowhere', 'default'], kibana: undefined })
    assert.deepEqual(
      wrong(findings).map(({ what, code }) => [what, code]),
      [['alerts of space nowhere', 'not_found']],
    )
  })

  for (const [right, what] of [
    ['view_index_metadata', 'alerts of space default'],
    ['auto_configure', 'data stream logs-cordon.results-default'],
    ['manage_ilm', 'ILM policy logs-cordon.results'],
  ] as const)
    test(`a key without ${right} is told that it lacks just that`, async () => {
      elastic.written.missing = [right]
      const [problem, ...more] = wrong(await tried())
      assert.deepEqual(more, [])
      assert.deepEqual([problem?.what, problem?.code], [what, 'forbidden'])
      assert.ok(problem?.remedy?.includes(right))
    })

  test('a template that was left to the user and is not there is missed', async () => {
    const findings = wrong(await tried({ setup: false }))
    assert.equal(findings.length, 3)
    for (const { code, remedy } of findings) {
      assert.equal(code, 'not_found')
      assert.match(remedy ?? '', /manifests\/elastic/)
    }
  })

  test('a template that is there is said to be, whose it is too', async () => {
    const [sink] = connector.sinks?.(await all({ kibana: undefined })) ?? []
    assert.ok(sink)
    await give(sink, result(1))
    await sink.close?.()
    elastic.written.pipelines.set('logs-cordon.results', { _meta: { managed_by: 'me' } })
    const said = (await tried()).map((one) => ('found' in one ? one.found : ''))
    assert.deepEqual(said.slice(2, 5), [
      'is there',
      'is there, not made by Cordon, and stays as it is',
      'is there',
    ])
  })

  test('a key that may not change alerts in Kibana is told so by space', async () => {
    kibana.missing = ['alerts']
    const [problem] = wrong(await tried({ cases: 'off' }))
    assert.deepEqual(
      [problem?.what, problem?.code],
      ['status and tags in space default', 'forbidden'],
    )
    assert.match(problem?.remedy ?? '', /in space default/)
  })

  test('a Kibana that is away is a finding, and the cluster is tried all the same', async () => {
    const gone = await startKibana(kibanaWorld(elastic))
    await gone.close()
    assert.deepEqual(
      wrong(await tried({ kibana: gone.url })).map(({ what, code }) => [what, code]),
      [['kibana', 'service_unreachable']],
    )
  })

  test('the role in the README has each right that a finding may miss', async () => {
    const readme = readFileSync(
      new URL('../../connectors/elastic/README.md', import.meta.url),
      'utf8',
    )
    const role = JSON.stringify(JSON.parse(/```json\n(.*?)```/s.exec(readme)?.[1] ?? ''))
    const rights = ['manage_ilm', 'manage_ingest_pipelines', 'manage_index_templates', 'read']
    rights.push('view_index_metadata', 'write', 'maintenance', 'auto_configure', 'create_doc')
    for (const right of rights) assert.ok(role.includes(`"${right}"`), right)
  })
})
