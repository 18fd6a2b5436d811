/** The manifest for n8n: two workflows of its own nodes, read and run as n8n does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { faults, type Item, readWorkflow, runWorkflow } from './n8n/run-workflow.ts'
import { type Listening, openListening } from './shuffle/open-listening.ts'

const folder = new URL('../../manifests/n8n/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const [cordon, alert] = ['cordon.json', 'alert.json'].map((name) => readWorkflow(read(name)))
assert.ok(cordon && alert)

describe('the workflows', () => {
  for (const workflow of [cordon, alert])
    test(`${workflow.name} is whole, and every request verifies, never fails the run, and has a credential`, () => {
      assert.deepEqual(faults(workflow), [])
      const requests = workflow.nodes.filter(({ type }) => type.endsWith('.httpRequest'))
      assert.ok(requests.length > 0)
      for (const { parameters, credentials, name } of requests) {
        assert.equal(parameters.options?.allowUnauthorizedCerts, false, name)
        assert.equal(parameters.options?.response?.response.neverError, true, name)
        assert.equal(credentials?.httpHeaderAuth.name, 'Cordon', name)
      }
      assert.doesNotMatch(JSON.stringify(workflow), /cordon_[a-z0-9]{20}|Bearer/)
    })
  test('a connection that leads nowhere is found out', () => {
    const broken = readWorkflow(
      read('alert.json').replace('"node": "Send alert"', '"node": "Send"'),
    )
    assert.deepEqual(faults(broken), ['there is no node Send', 'nothing leads to Send alert'])
  })
})

const Answer = z.looseObject({
  statusCode: z.number(),
  body: z.looseObject({
    ordered: z.boolean().optional(),
    remedy: z.string().optional(),
    waiting: z.number().optional(),
    decision: z.looseObject({ state: z.string() }).optional(),
    decisions: z.array(z.looseObject({ target: z.string() })).optional(),
    items: z
      .array(z.looseObject({ alerts: z.array(z.looseObject({ decision: z.string() })) }))
      .optional(),
  }),
})

describe('the workflows against a service', () => {
  let open: Listening
  before(async () => {
    open = await openListening(['review', 'ingest'])
  })
  after(() => open.close())
  const run = async (item: Item, workflow = cordon) => {
    const header: [string, string] = ['Authorization', `Bearer ${open.token}`]
    return Answer.parse(await runWorkflow(workflow, { item, header, service: open.url }))
  }

  test('block for a length and without one, explain, list and lift', async () => {
    const target = '192.0.2.70'
    const order = { operation: 'block', reason: 'seen twice' }
    assert.equal((await run({ ...order, target, length: '4h' })).statusCode, 201)
    assert.equal((await run({ ...order, target: '192.0.2.71' })).statusCode, 201)
    assert.equal((await run({ operation: 'explain', target })).body.ordered, true)
    assert.deepEqual((await run({ operation: 'list' })).body.decisions, [])
    const issued = await run({ operation: 'list', state: 'issued', limit: 1 })
    assert.equal(issued.body.decisions?.length, 1)
    await run({ operation: 'lift', target, reason: 'false alarm' })
    assert.equal((await run({ operation: 'explain', target })).body.ordered, false)
  })
  test('hand over an alert, list what waits, approve and decline', async () => {
    const ask = async (attacker: string) => {
      const answer = await run(
        { body: { id: attacker, attacker, rule: 'test', severity: 50 } },
        alert,
      )
      return answer.body.items?.[0]?.alerts[0]?.decision
    }
    const [yes, no] = [await ask('192.0.2.72'), await ask('192.0.2.73')]
    assert.equal((await run({ operation: 'questions' })).body.waiting, 2)
    const approved = await run({ operation: 'approve', decision_id: yes, reason: 'known' })
    assert.equal(approved.body.decision?.state, 'issued')
    const declined = await run({ operation: 'decline', decision_id: no, reason: 'ours' })
    assert.equal(declined.body.decision?.state, 'declined')
  })
  test('a refusal is an answer with what to do, and an unknown operation an error', async () => {
    const refused = await run({ operation: 'block', target: '10.0.0.1', reason: 'seen twice' })
    assert.equal(refused.statusCode, 409)
    assert.match(refused.body.remedy ?? '', /choose a target beside it/)
    await assert.rejects(
      run({ operation: 'unblock' }),
      /no operation unblock; known are block, lift/,
    )
  })
})
