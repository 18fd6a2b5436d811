/** The manifest for Tracecat: its templates by the rules of its source, each run against a service. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { type Listening, openListening } from './shuffle/open-listening.ts'
import { faults, readTemplate } from './tracecat/read-template.ts'
import { runTemplate } from './tracecat/run-template.ts'

const folder = new URL('../../manifests/tracecat/', import.meta.url)
const samples = new URL('../../../shared/contracts/soar-samples/tracecat/', import.meta.url)
const noSamples = existsSync(samples) ? false : 'the samples in ../shared are not here'
const read = (name: string, from = folder) => readFileSync(new URL(name, from), 'utf8')
const template = (name: string) => readTemplate(read(`templates/${name}.yml`))
const names = readdirSync(new URL('templates/', folder)).map((file) => file.replace('.yml', ''))

describe('the templates', () => {
  for (const name of names)
    test(`${name} follows the rules, verifies TLS, and keeps the token in a secret`, () => {
      const definition = template(name)
      assert.equal(definition.name, name)
      assert.deepEqual(faults(definition), [])
      const [step] = definition.steps
      assert.equal(step?.args.verify_ssl, true)
      assert.match(
        step?.args.headers?.Authorization ?? '',
        /^Bearer .*SECRETS\.cordon\.CORDON_TOKEN/,
      )
    })
  test('a reference that leads nowhere is found out', () => {
    const broken = read('templates/lift_address.yml').replace('inputs.target', 'inputs.address')
    assert.deepEqual(faults(readTemplate(broken)), [
      'inputs.address leads nowhere',
      'inputs.target is not used',
    ])
    assert.throws(() => readTemplate(broken.replace('type: str', 'type: string')))
  })
  test('the public samples of this kind follow the rules too', { skip: noSamples }, () => {
    for (const name of ['abuseipdb-lookup_ip_address', 'authored-request_block'])
      assert.deepEqual(faults(readTemplate(read(`${name}.yml`, samples))), [], name)
  })
})

const Answer = z.looseObject({
  ordered: z.boolean().optional(),
  message: z.string().optional(),
  waiting: z.number().optional(),
  decision: z.looseObject({ state: z.string() }).optional(),
  decisions: z.array(z.looseObject({ target: z.string() })).optional(),
})

describe('the templates against a service', () => {
  let open: Listening
  before(async () => {
    open = await openListening(['review'])
  })
  after(() => open.close())
  const run = async (name: string, inputs: Record<string, unknown> = {}) =>
    Answer.parse(
      await runTemplate(
        template(name),
        { base_url: open.url, ...inputs },
        { CORDON_TOKEN: open.token },
      ),
    )

  test('block, explain, list and lift', async () => {
    const target = '192.0.2.60'
    const blocked = await run('block_address', { target, reason: 'seen twice' })
    assert.equal(blocked.decision?.state, 'issued')
    assert.equal((await run('explain_address', { address: target })).ordered, true)
    assert.equal((await run('list_decisions')).decisions?.length, 0)
    const listed = await run('list_decisions', { state: 'issued' })
    assert.deepEqual(
      listed.decisions?.map((decision) => decision.target),
      [target],
    )
    const lifted = await run('lift_address', { target, reason: 'false alarm' })
    assert.equal(lifted.message, '1 lifted, nothing else covers it')
  })
  test('list what waits, approve and decline', async () => {
    const [yes, no] = [await open.question('192.0.2.61'), await open.question('192.0.2.62')]
    assert.equal((await run('list_questions')).waiting, 2)
    const approved = await run('approve_decision', { decision_id: yes, reason: 'known' })
    assert.equal(approved.decision?.state, 'issued')
    const declined = await run('decline_decision', { decision_id: no, reason: 'ours' })
    assert.equal(declined.decision?.state, 'declined')
  })
  test('a protected address fails the action with what to do', async () => {
    await assert.rejects(
      run('block_address', { target: '10.0.0.1', reason: 'seen twice' }),
      /409.*private network.*"remedy":"choose a target beside it/,
    )
  })
})
