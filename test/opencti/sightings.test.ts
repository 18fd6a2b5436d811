/** Blocks that nodes have confirmed, told to the platform whenever they are, through its real schema. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Refusal, Result } from '#contract/result.ts'
import { openClient } from '../../connectors/opencti/client/client.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { connector } from '../../connectors/opencti/connector.ts'
import { atWork } from '../../connectors/opencti/enrich/at-work.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { addressId } from '../../connectors/opencti/stix/id.ts'
import type { Bundle } from '../../connectors/opencti/stix/stix-object.ts'
import { emptyWorld, schemaMissing, startOpenCti } from '../doubles/opencti.ts'
import { alertsAt, block, confirmed, connectorId, cordonThatKnows, type Told } from './jobs.ts'
import { marking, observable } from './world.ts'

describe('sightings of confirmed blocks', { skip: schemaMissing() }, () => {
  const world = emptyWorld()
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  let known = new Map<string, Told>()
  let cordon = cordonThatKnows(known)
  let sent: { bundle: Bundle; work: string | undefined }[] = []
  let fails: Problem | undefined
  /** Only bundles with this object fail. */
  let culprit: string | undefined
  let giveUp = new AbortController()
  let take: (...results: Result[]) => Promise<readonly Refusal[]>
  before(async () => {
    platform = await startOpenCti(world)
  })
  after(() => platform.close())
  beforeEach(() => {
    Object.assign(world, { ...emptyWorld(), token: world.token })
    world.connectors.set(connectorId, { state: null, input: {} })
    known = new Map([
      ['203.0.113.7', { alerts: alertsAt(1), decisions: [block()] }],
      ['2001:db8::7', { alerts: alertsAt(2), decisions: [block({ target: '2001:db8::7' })] }],
    ])
    cordon = cordonThatKnows(known)
    sent = []
    fails = culprit = undefined
    giveUp = new AbortController()
    take = taker()
  })

  function taker(more: Record<string, unknown> = {}) {
    const settings = Settings.parse({
      ...{ url: platform.url, token: world.token, id: connectorId },
      ...{ sightings: true, sightings_every: '0ms', sightings_tlp: 'TLP:GREEN', ...more },
    })
    atWork.set(settings, {
      id: connectorId,
      client: openClient(readPlatform('opencti', settings)),
      cordon,
      send: async (bundle, { work }) => {
        const meant = culprit === undefined || bundle.objects.some(({ id }) => id === culprit)
        if (fails && meant) throw fails
        sent.push({ bundle, work })
      },
    })
    const [sink] = connector.sinks?.(settings) ?? []
    assert.ok(sink)
    assert.deepEqual([sink.wants('receipt.applied'), sink.wants('receipt.planned')], [true, false])
    return (...results: Result[]) => sink.take(results, giveUp.signal)
  }
  const sightings = () =>
    sent.flatMap(({ bundle }) => bundle.objects.filter(({ type }) => type === 'sighting'))

  test('of many blocks are one question, one work and one bundle', async () => {
    await take(confirmed('1', '203.0.113.7'), confirmed('2', '2001:db8::7'))
    assert.equal(sent.length, 1)
    assert.equal(sightings().length, 2)
    assert.deepEqual(
      world.works.map(({ did }) => did),
      ['added', 'toProcessed'],
    )
    assert.equal(sent[0]?.work, world.works[0]?.id)
    const ids = sent[0]?.bundle.objects.map(({ id }) => id) ?? []
    assert.equal(new Set(ids).size, ids.length, 'no object is there twice')
  })

  test('are one for each decision, however many nodes confirm it and whenever they do', async () => {
    await take(confirmed('1', '203.0.113.7'), confirmed('1', '203.0.113.7', 'web-02'))
    await take(confirmed('1', '203.0.113.7', 'web-03'))
    assert.deepEqual(
      sightings().map(({ count }) => count),
      [3],
    )
  })

  test('are told again, the same with the same dates, when the platform may not have got them', async () => {
    fails = new Problem('service_unreachable', 'the broker is away')
    await assert.rejects(take(confirmed('1', '203.0.113.7')), { code: 'service_unreachable' })
    const [, ended] = world.works
    assert.deepEqual(
      [ended?.did, ended?.inError, ended?.message],
      ['toProcessed', true, 'the broker is away'],
      'no work is shown as running for ever',
    )
    fails = undefined
    assert.deepEqual(await take(confirmed('1', '203.0.113.7')), [])
    const [first] = sightings()
    cordon.kept.delete('block:d-0000000000000001')
    await take(confirmed('1', '203.0.113.7'))
    assert.deepEqual(sightings(), [first, first])
  })

  test('of a second block of the same address count only what was seen since', async () => {
    known.set('203.0.113.7', { alerts: alertsAt(5), decisions: [block()] })
    await take(confirmed('1', '203.0.113.7'))
    known.set('203.0.113.7', { alerts: alertsAt(1, 2, 5), decisions: [block()] })
    await take(confirmed('2', '203.0.113.7'))
    assert.deepEqual(
      sightings().map(({ count }) => count),
      [3, 3, 6],
    )
  })

  test('that the platform will never take are refused with why, and the next are told', async () => {
    fails = new Problem('invalid_input', 'opencti refuses: too wide (FUNCTIONAL_ERROR)')
    const result = confirmed('1', '203.0.113.7')
    assert.deepEqual(await take(result), [{ id: result.id, problem: fails }])
    fails = undefined
    assert.deepEqual(await take(confirmed('2', '2001:db8::7')), [])
    assert.equal(sightings().length, 1)
  })

  test('of one address that the platform will never take keep none of the others from being told', async () => {
    const targets = Array.from({ length: 9 }, (_, n) => `203.0.113.${n + 20}`)
    for (const target of targets) known.set(target, { alerts: alertsAt(1), decisions: [block()] })
    fails = new Problem('invalid_input', 'opencti refuses: no such marking (FUNCTIONAL_ERROR)')
    culprit = addressId('203.0.113.24')
    const results = targets.map((target, n) => confirmed(`${n}`, target))
    const wrong = results[4]
    assert.ok(wrong)
    assert.deepEqual(await take(...results), [{ id: wrong.id, problem: fails }])
    const seen = new Set(sightings().map((one) => one.sighting_of_ref))
    assert.equal(seen.size, 8)
    assert.ok(!seen.has(culprit))
  })

  test('of an address that is there in capitals are of it as it is there, with its markings', async () => {
    world.observables = [
      observable('2001:DB8::7', {
        objectMarking: [{ ...marking('PAP:RED', 9), definition_type: 'PAP' }],
      }),
    ]
    world.markings = [{ ...marking('PAP:RED', 9), definition_type: 'PAP' }]
    await take(confirmed('1', '2001:db8::7'))
    const [sighting] = sightings()
    assert.equal(sighting?.sighting_of_ref, addressId('2001:DB8::7'))
    assert.deepEqual(sighting?.object_marking_refs, ['marking-definition--9'])
  })

  test('are none of private addresses, of what nobody saw, and of what came from the platform', async () => {
    known.set('10.0.0.7', { alerts: alertsAt(1) })
    known.set('203.0.113.9', { decisions: [block()] })
    const alerts = alertsAt(1).map((alert) => ({ ...alert, source: 'opencti-stream' }))
    known.set('203.0.113.10', { alerts, decisions: [block()] })
    const targets = ['10.0.0.7', '203.0.113.9', '203.0.113.10']
    assert.deepEqual(await take(...targets.map((one, n) => confirmed(`${n}`, one))), [])
    assert.deepEqual([sent, world.works], [[], []])
  })

  test('wait while others were just told, unless many wait', async () => {
    take = taker({ sightings_every: '5m' })
    await take(confirmed('1', '203.0.113.7'))
    const many = Array.from({ length: 500 }, (_, n) => confirmed('2', '2001:db8::7', `web-${n}`))
    await take(...many)
    assert.equal(sightings().length, 2)
    const waiting = take(confirmed('3', '203.0.113.7'))
    const first = await Promise.race([waiting, new Promise((done) => setImmediate(done, 'waits'))])
    assert.equal(first, 'waits')
    giveUp.abort()
    await assert.rejects(waiting, { name: 'AbortError' })
  })
})

test('nobody is told of blocks without settings for it, and as long as the connector is not registered they wait', async () => {
  assert.deepEqual(connector.sinks?.(Settings.parse({ id: connectorId })), [])
  assert.throws(() => connector.sinks?.(Settings.parse({ sightings: true })), {
    code: 'setting_invalid',
    remedy: /CORDON_OPENCTI_ID/,
  })
  const [sink] = connector.sinks?.(Settings.parse({ id: connectorId, sightings: true })) ?? []
  assert.ok(sink)
  const taking = sink.take([confirmed('1', '203.0.113.7')], AbortSignal.timeout(60_000))
  await assert.rejects(taking, { code: 'service_unreachable' })
  assert.equal(Settings.safeParse({ sightings_every: '6m' }).success, false)
})
