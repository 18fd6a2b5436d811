/** One enrichment job, from what the platform sends to what it gets: executed against its real schema. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { openClient } from '../../connectors/opencti/client/client.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { answerJob, giveUp } from '../../connectors/opencti/enrich/answer-job.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import type { Bundle } from '../../connectors/opencti/stix/stix-object.ts'
import { emptyWorld, schemaMissing, startOpenCti, userId } from '../doubles/opencti.ts'
import {
  alertsAt,
  block,
  cordonThatKnows,
  entity,
  green,
  job,
  playbookJob,
  red,
  type Told,
} from './jobs.ts'

const attacker = '203.0.113.7'

describe('an enrichment job', { skip: schemaMissing() }, () => {
  const world = emptyWorld()
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  let cordon = cordonThatKnows(new Map())
  const known = new Map<string, Told>()
  let sent: Bundle[] = []

  before(async () => {
    platform = await startOpenCti(world)
  })
  after(() => platform.close())
  beforeEach(() => {
    Object.assign(world, { ...emptyWorld(), token: world.token })
    known.clear()
    known.set(attacker, { alerts: alertsAt(1, 5), decisions: [block()] })
    cordon = cordonThatKnows(known)
    sent = []
  })

  const client = () =>
    openClient(readPlatform('opencti', Settings.parse({ url: platform.url, token: world.token })))
  const answer = (text: string, ceiling: 'TLP:AMBER' | 'TLP:RED' = 'TLP:AMBER') =>
    answerJob(
      {
        client: client(),
        cordon,
        user: userId,
        author: 'Cordon',
        ceiling,
        send: async (bundle) => {
          sent.push(bundle)
        },
      },
      text,
      AbortSignal.timeout(60_000),
    )
  const did = () => world.works.map((work) => work.did)
  const lastWord = () => world.works.at(-1)

  test('is received, answered with a bundle, and processed', async () => {
    assert.equal(await answer(job(entity(attacker))), undefined)
    assert.deepEqual(did(), ['toReceived', 'toProcessed'])
    assert.equal(lastWord()?.inError, false)
    assert.deepEqual(
      sent[0]?.objects.map(({ type }) => type),
      ['marking-definition', 'identity', 'ipv4-addr', 'sighting', 'note'],
    )
    assert.equal(world.exchanges[0]?.headers['opencti-draft-id'], '')
  })

  test('marks all that it writes as its subject is marked, and shares it with the same organisations', async () => {
    known.set(attacker, {
      alerts: alertsAt(1),
      place: { country: 'FR', asn: 64496, as_owner: 'x' },
    })
    await answer(job(entity(attacker)))
    const written = sent[0]?.objects.filter(({ type }) =>
      ['sighting', 'note', 'relationship'].includes(type),
    )
    assert.equal(written?.length, 4)
    for (const object of written ?? []) {
      assert.deepEqual(object.object_marking_refs, [green])
      assert.deepEqual(object.x_opencti_granted_refs, [
        'identity--fe142a59-b612-562e-91d9-cd8e3bae8e50',
      ])
    }
  })

  test('says where the address is: its country and its autonomous system, each once for everybody', async () => {
    known.set(attacker, { place: { country: 'FR', asn: 64496, as_owner: 'Example' } })
    await answer(job(entity(attacker)))
    const objects = sent[0]?.objects ?? []
    const network = objects.find(({ type }) => type === 'autonomous-system')
    assert.deepEqual(network, {
      type: 'autonomous-system',
      spec_version: '2.1',
      id: 'autonomous-system--9ad79ee3-2fde-5015-b0cc-7a96404effca',
      number: 64496,
      name: 'Example',
    })
    const to = (kind: string) =>
      objects.find(({ relationship_type }) => relationship_type === kind)?.target_ref
    assert.equal(to('belongs-to'), network?.id)
    assert.equal(to('located-at'), 'location--b8d0549f-de06-5ebd-a6e9-d31a581dba5d')
    known.set(attacker, { place: { country: '', asn: 4_200_000_001, as_owner: '' } })
    await answer(job(entity(attacker)))
    assert.equal(sent.length, 1, 'a number that the platform cannot keep is not sent')
  })

  test('never gives an indicator or a score: nothing that it writes can become a block', async () => {
    await answer(job(entity(attacker)))
    const text = JSON.stringify(sent)
    assert.doesNotMatch(text, /"indicator"|x_opencti_score|x_opencti_create_indicator/)
  })

  test('brought twice writes the same objects with the same ids', async () => {
    await answer(job(entity(attacker)))
    await answer(job(entity(attacker)))
    assert.deepEqual(sent[1], sent[0])
  })

  test('counts only what is new since the last one, and repeats the last count as it was', async () => {
    await answer(job(entity(attacker)))
    known.set(attacker, { alerts: alertsAt(0, 1, 5) })
    await answer(job(entity(attacker)))
    const counts = sent.map(({ objects }) =>
      objects.filter(({ type }) => type === 'sighting').map(({ count }) => count),
    )
    assert.deepEqual(counts, [[6], [6, 3]])
    const [told, again] = sent.map(({ objects }) => objects.find((one) => one.type === 'sighting'))
    assert.deepEqual(again, told)
  })

  test('for an object above the TLP ceiling is answered without a bundle', async () => {
    await answer(job(entity(attacker, { markings: [green, red] })))
    assert.deepEqual(sent, [])
    assert.match(lastWord()?.message ?? '', /TLP:RED, above the ceiling/)
    await answer(job(entity(attacker, { markings: [green, red] })), 'TLP:RED')
    assert.equal(sent.length, 1)
  })

  test('for an object with an unknown TLP is refused, with another kind of marking it is not', async () => {
    const other = 'marking-definition--00000000-0000-4000-8000-000000000001'
    const marking = { __typename: 'MarkingDefinition', id: other, standard_id: other }
    world.markings = [{ ...marking, definition_type: 'TLP', definition: 'TLP:EX:CHR' }]
    await answer(job(entity(attacker, { markings: [other] })))
    assert.match(lastWord()?.message ?? '', /not known here/)
    world.markings = [{ ...marking, definition_type: 'PAP', definition: 'PAP:RED' }]
    await answer(job(entity(attacker, { markings: [other] })))
    assert.equal(sent.length, 1)
    world.markings = []
    await answer(job(entity(attacker, { markings: [other] })))
    assert.equal(sent.length, 1, 'one that may not be seen may be anything')
  })

  test('for an object without a marking is answered', async () => {
    await answer(job(entity(attacker, { markings: [] })))
    assert.equal(sent.length, 1)
  })

  test('for what this connector made itself is left alone, unless a person asks', async () => {
    await answer(job(entity(attacker, { creators: [userId] })))
    assert.deepEqual(sent, [])
    await answer(job(entity(attacker, { creators: [userId] }), { mode: 'manual' }))
    assert.equal(sent.length, 1)
  })

  test('about somebody unknown says so and writes nothing', async () => {
    await answer(job(entity('203.0.113.99')))
    assert.deepEqual(sent, [])
    assert.match(lastWord()?.message ?? '', /nothing is known/)
    assert.equal(lastWord()?.inError, false)
  })

  test('in a draft stays in the draft, and does not count as told', async () => {
    await answer(job(entity(attacker), { draft_id: 'draft-1' }))
    assert.ok(world.exchanges.every(({ headers }) => headers['opencti-draft-id'] === 'draft-1'))
    assert.equal(sent.length, 1)
    assert.equal(cordon.kept.size, 0)
  })

  test('about an address that is none is answered as an error', async () => {
    const problem = await answer(job({ ...entity(attacker), value: 'nonsense' }))
    assert.equal(problem?.code, 'address_invalid')
    assert.equal(lastWord()?.inError, true)
  })

  test('that is no job is over at once', async () => {
    for (const text of ['', '{', '[]', '{"internal":{}}', '{"internal":{},"event":{}}'])
      assert.equal((await answer(text))?.code, 'invalid_input')
    assert.deepEqual(world.exchanges, [])
  })

  test('comes again when the platform is away in the middle of it', async () => {
    world.faults.push((_, response) => response.writeHead(502).end('<html>'))
    await assert.rejects(answer(job(entity(attacker))), { code: 'service_unreachable' })
    assert.deepEqual([did(), sent], [[], []])
  })

  describe('that is given up', () => {
    const problem = new Problem('service_unreachable', 'the tenth time')
    const give = (text: string) => giveUp({ client: client(), cordon }, text, problem, stop)
    const stop = AbortSignal.timeout(60_000)

    test('is told of, or stays when the platform cannot hear it', async () => {
      world.faults.push((_, response) => response.writeHead(502).end('<html>'))
      await assert.rejects(give(job(entity(attacker))), { code: 'service_unreachable' })
      assert.deepEqual(did(), [])
      assert.equal(await give(job(entity(attacker))), problem)
      assert.deepEqual(did(), ['toProcessed'])
    })

    test('gives a playbook its own bundle back', async () => {
      assert.equal(await give(playbookJob(entity(attacker))), problem)
      const [step] = world.steps
      assert.ok(step)
      assert.deepEqual(JSON.parse(String(step.bundle)), JSON.parse(String(step.previous_bundle)))
    })
  })

  test('whose work was deleted meanwhile is over', async () => {
    world.faults.push((_, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(
          '{"errors":[{"message":"gone","extensions":{"code":"ALREADY_DELETED_ERROR"}}],"data":null}',
        ),
    )
    assert.equal((await answer(job(entity(attacker))))?.code, 'not_found')
    assert.deepEqual(sent, [])
  })

  describe('of a playbook', () => {
    test('gets its bundle back with what is known added, once', async () => {
      await answer(playbookJob(entity(attacker)))
      const given = world.steps[0]
      assert.equal(given?.step_id, 'c0ffee00-0000-4000-8000-000000000003')
      const { objects } = JSON.parse(String(given?.bundle))
      assert.deepEqual(
        objects.map(({ type }: { type: string }) => type),
        ['ipv4-addr', 'marking-definition', 'identity', 'sighting', 'note'],
      )
      assert.deepEqual(JSON.parse(String(given?.previous_bundle)).objects, [entity(attacker)])
      assert.deepEqual([sent, did()], [[], []])
    })

    for (const [why, object] of [
      ['is not of our kinds', { id: 'url--1', type: 'url', value: 'https://x.example' }],
      ['is above the ceiling', entity(attacker, { markings: [red] })],
      ['is not known', entity('203.0.113.99')],
      ['makes an error', { ...entity(attacker), value: 'nonsense' }],
    ] as const)
      test(`gets its bundle back unchanged when its subject ${why}`, async () => {
        await answer(playbookJob(object))
        assert.equal(world.steps.length, 1)
        assert.equal(world.steps[0]?.bundle, world.steps[0]?.previous_bundle)
      })
  })
})
