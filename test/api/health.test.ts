/** What balancers and people on call ask: is the service ready, and is a node silent. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { openTestService } from '../service.ts'

test('readiness is found out once a second, however many strangers ask, and they are not slowed down', async (t) => {
  const service = await open(t)
  let writes = 0
  const { write } = service.flow.store
  service.flow.store.write = (job) => {
    writes++
    return write(job)
  }
  const ask = () => service.ask('GET', '/readyz', { token: null })
  const answers = await Promise.all(Array.from({ length: 200 }, ask))
  assert.ok(answers.every(({ status }) => status === 200))
  assert.equal(writes, 1)
  service.clock.now += 1_000
  await ask()
  assert.equal(writes, 2)
})

test('what is wrong is told to who may read, and a stranger hears only that it is', async (t) => {
  const service = await open(t)
  service.flow.store.write = async () => {
    throw new Problem('store_unavailable', 'the disk of /var/lib/cordon is full', {
      remedy: 'make room',
    })
  }
  const stranger = await service.ask('GET', '/readyz', { token: null })
  assert.equal(stranger.status, 503)
  assert.ok(!stranger.text.includes('disk'), stranger.text)
  const reader = await service.ask('GET', '/readyz')
  assert.equal(reader.body.detail, 'the disk of /var/lib/cordon is full')
})

test('a detector that cannot be asked is told of, but takes the service away from nobody', async (t) => {
  const service = await open(t)
  const counts = { records: 0, refused: 2 }
  service.flow.followed.push(
    { connector: 'splunk', source: 'search', state: 'failing', problem: 'expired', ...counts },
    { connector: 'elastic', source: 'elastic/alerts', state: 'away', waiting: 7, ...counts },
    { connector: 'elastic', source: 'space:default', state: 'following', ...counts },
  )
  assert.equal((await service.ask('GET', '/readyz', { token: null })).status, 200)
  const { text } = await service.ask('GET', '/metrics')
  for (const line of [
    'cordon_connector_ready{part="splunk, search"} 0',
    'cordon_connector_ready{part="elastic, elastic/alerts"} 0',
    'cordon_connector_ready{part="elastic, space:default"} 1',
    'cordon_connector_refused_total{part="splunk, search"} 2',
    'cordon_results_waiting{part="elastic, elastic/alerts"} 7',
  ])
    assert.ok(text.includes(`${line}\n`), line)
})

for (const [what, interval, silentAfter] of [
  ['that says nothing of its interval', undefined, 90_000],
  ['of five seconds between heartbeats', 5_000, 15_000],
  ['of five minutes between heartbeats', 300_000, 900_000],
] as const)
  test(`a node ${what} is silent after ${silentAfter / 1_000} s and not before`, async (t) => {
    const service = await open(t)
    const node = await service.enrol('web-01')
    const body = {
      version: '0.1.0',
      backend: 'netlink',
      enforcing: true,
      cursor: '',
      claims: 0,
      elements: 0,
      clock_offset_ms: 0,
      started: service.clock.now,
      events: [],
      ...(interval !== undefined && { interval_ms: interval }),
    }
    const beat = await service.ask('POST', '/v1/heartbeat', { token: node.bearer(), body })
    assert.equal(beat.status, 200, beat.text)
    const state = async () => {
      const { nodes } = JSON.parse((await service.ask('GET', '/v1/nodes')).text)
      return nodes[0].state
    }
    service.clock.now += silentAfter
    assert.equal(await state(), 'active')
    service.clock.now += 1
    assert.equal(await state(), 'silent')
  })

async function open(t: TestContext) {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}
