/** What is read and written here, held against samples of the vendor's. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { Problem } from '#contract/problem.ts'
import { readJob } from '../../connectors/opencti/enrich/job.ts'
import { serveEnrichment } from '../../connectors/opencti/enrich/serve.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { ownersOf } from '../../connectors/opencti/stix/stix-object.ts'
import { tell } from '../../connectors/opencti/stix/tell.ts'
import { isStricter, levels, readTlp, tlpObject } from '../../connectors/opencti/stix/tlp.ts'
import { alertsAt, block, cordonThatKnows, green, job } from './jobs.ts'
import { serving } from './serving.ts'

const folder = fileURLToPath(new URL('../../../shared/contracts/opencti-samples/', import.meta.url))
const skip = existsSync(folder) ? false : `the vendor's samples are not at ${folder}`
const sample = (path: string) => JSON.parse(readFileSync(`${folder}${path}`, 'utf8'))

type Object = Record<string, unknown> & { type: string }

describe("the vendor's samples", { skip }, () => {
  test('each kind of job is read with its subject, its marking and where its answer goes', () => {
    for (const file of readdirSync(`${folder}amqp/listen`)) {
      const read = readJob(JSON.stringify(sample(`amqp/listen/${file}`)))
      assert.equal(read.entity?.value, '192.0.2.10', file)
      assert.deepEqual(read.entity?.object_marking_refs, [green], file)
      assert.equal(read.entity && ownersOf(read.entity).creators.length, 1)
      assert.equal(read.playbook !== undefined, file === 'playbook.json')
      assert.equal(read.draft !== undefined, file === 'auto-update-in-draft.json')
      assert.equal(read.manual, file === 'manual-none.json')
    }
  })

  test('markings are the objects that everybody has', () => {
    const objects: Object[] = sample('bundles/tlp-markings.json').objects
    assert.deepEqual(levels.map(tlpObject), objects)
  })

  test('objects have the fields that the real importer took, under the same names', () => {
    const theirs: Object[] = sample('bundles/writeback.json').objects
    const fields = (type: string) =>
      new Set(theirs.filter((one) => one.type === type).flatMap((one) => [...keys(one)]))
    for (const object of written())
      if (['sighting', 'note', 'identity', 'ipv4-addr'].includes(object.type)) {
        const unknown = [...keys(object)].filter((key) => !fields(object.type).has(key))
        assert.deepEqual(unknown, [], object.type)
      }
  })
})

test('every reference in a bundle is to something that is in it', () => {
  const objects = written()
  const ids = new Set(objects.map(({ id }) => id))
  for (const object of objects)
    for (const [key, value] of Object.entries(object))
      if (/_refs?$/.test(key))
        for (const id of [value].flat()) assert.ok(ids.has(String(id)), `${key} ${id}`)
})

test('a rule that an attacker may have named brings no control character into a note', () => {
  const alerts = alertsAt(1).map((alert) => ({ ...alert, rule: 'a\u202eb\u001b[2J' }))
  const [note] = written(alerts).filter(({ type }) => type === 'note')
  assert.doesNotMatch(String(note?.content), /[\u202e\u001b]/)
})

test('nobody is served without the id of a connector', () => {
  assert.deepEqual(serveEnrichment(Settings.parse({}), cordonThatKnows(new Map())), [])
})

test('a part that lacks its platform says which setting is missing', async () => {
  const running = serving({}, cordonThatKnows(new Map()))
  assert.match((await running.ended)?.remedy ?? '', /CORDON_OPENCTI_URL/)
})

test('levels are ordered, and an unknown word is no level', () => {
  assert.equal(readTlp('tlp:white'), 'TLP:CLEAR')
  assert.equal(readTlp('amber'), undefined)
  assert.ok(isStricter('TLP:AMBER+STRICT', 'TLP:AMBER') && !isStricter('TLP:GREEN', 'TLP:GREEN'))
})

test('whatever comes as a job is a job or a problem', () => {
  const part = fc.oneof(fc.json(), fc.constant('null'), fc.string())
  fc.assert(
    fc.property(part, part, fc.nat(200), (stix, event, cut) => {
      const whole = job({ id: 'x', value: stix })
      for (const text of [stix, event, whole.slice(0, cut), whole.replace('"event"', event)])
        try {
          readJob(text)
        } catch (error) {
          assert.ok(error instanceof Problem && error.code === 'invalid_input')
        }
    }),
    { numRuns: 200 },
  )
})

function keys(object: object): Set<string> {
  return new Set(Object.keys(object))
}

function written(alerts = alertsAt(1, 5)) {
  const subject = {
    type: 'ipv4-addr',
    id: 'ipv4-addr--a2fbe2c6-009e-52e0-b452-90b71e3109c2',
    value: '192.0.2.10',
    markings: [green],
    granted: [],
  }
  const knowledge = {
    address: '192.0.2.10',
    decisions: [block({ target: '192.0.2.10' })],
    alerts,
    place: { country: 'FR', asn: 64496, as_owner: 'Example' },
    lists: [],
  }
  return tell(knowledge, subject, [{ first: 0, last: 1, count: 2 }], 'Cordon')
}
