/** Confirmed blocks told to the platform by themselves, through its real schema. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { ConfirmedBlocks } from '#contract/connector.ts'
import { openClient } from '../../connectors/opencti/client/client.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { tellConfirmed } from '../../connectors/opencti/enrich/write-back.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { addressId } from '../../connectors/opencti/stix/id.ts'
import type { Bundle } from '../../connectors/opencti/stix/stix-object.ts'
import { emptyWorld, schemaMissing, startOpenCti } from '../doubles/opencti.ts'
import { alertsAt, block, connectorId, cordonThatKnows, type Told } from './jobs.ts'
import { marking, observable } from './world.ts'

describe('write-back', { skip: schemaMissing() }, () => {
  const world = emptyWorld()
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  let known = new Map<string, Told>()
  let cordon = cordonThatKnows(known)
  let sent: { bundle: Bundle; work: string | undefined }[] = []
  let fails = false
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
    fails = false
  })

  function tellOf(...targets: string[]): Promise<number> {
    cordon.confirmedBlocks = async (cursor): Promise<ConfirmedBlocks> =>
      cursor === '7' ? { targets: [], cursor } : { targets, cursor: '7' }
    const settings = Settings.parse({ url: platform.url, token: world.token })
    const parts = {
      id: connectorId,
      client: openClient(readPlatform('opencti', settings)),
      cordon,
      author: 'Cordon',
      ceiling: 'TLP:AMBER' as const,
      marking: 'TLP:GREEN' as const,
      send: async (bundle: Bundle, { work }: { work: string | undefined }) => {
        if (fails) throw new Error('away')
        sent.push({ bundle, work })
      },
    }
    return tellConfirmed(parts, AbortSignal.timeout(5_000))
  }
  const sightings = () =>
    sent.flatMap(({ bundle }) => bundle.objects.filter(({ type }) => type === 'sighting'))

  test('many blocks are one question, one work and one bundle', async () => {
    assert.equal(await tellOf('203.0.113.7', '2001:db8::7'), 2)
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

  test('each block is told once, and again only when the platform did not get it', async () => {
    fails = true
    await assert.rejects(tellOf('203.0.113.7'))
    fails = false
    assert.equal(await tellOf('203.0.113.7'), 1)
    assert.equal(await tellOf('203.0.113.7'), 0)
    assert.deepEqual(
      sightings().map(({ count }) => count),
      [3],
    )
  })

  test('an address that is there in capitals is told of as it is there, with its markings', async () => {
    world.observables = [
      observable('2001:DB8::7', {
        objectMarking: [{ ...marking('PAP:RED', 9), definition_type: 'PAP' }],
      }),
    ]
    world.markings = [{ ...marking('PAP:RED', 9), definition_type: 'PAP' }]
    await tellOf('2001:db8::7')
    const [sighting] = sightings()
    assert.equal(sighting?.sighting_of_ref, addressId('2001:DB8::7'))
    assert.deepEqual(sighting?.object_marking_refs, ['marking-definition--9'])
  })

  test('nothing is told of private addresses, of what nobody saw, and of what came from the platform', async () => {
    known.set('10.0.0.7', { alerts: alertsAt(1) })
    known.set('203.0.113.9', { decisions: [block()] })
    const alerts = alertsAt(1).map((alert) => ({ ...alert, source: 'opencti-stream' }))
    known.set('203.0.113.10', { alerts, decisions: [block()] })
    assert.equal(await tellOf('10.0.0.7', '203.0.113.9', '203.0.113.10'), 0)
    assert.deepEqual([sent, world.works], [[], []])
  })
})
