/** The API document for Shuffle: what its importer makes of it, by rules that are held against what the real one did. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { record } from '../service.ts'
import { type Action, importOpenApi } from './shuffle/import-openapi.ts'
import { type Listening, openListening } from './shuffle/open-listening.ts'

const folder = new URL('../../manifests/shuffle/', import.meta.url)
const samples = new URL('../../../shared/contracts/soar-samples/shuffle/', import.meta.url)
const noSamples = existsSync(samples) ? false : 'the samples in ../shared are not here'
const read = (name: string, from = folder) => readFileSync(new URL(name, from), 'utf8')

describe('the OpenAPI document in Shuffle', () => {
  let open: Listening
  before(async () => {
    open = await openListening(['review', 'ingest'])
  })
  after(() => open.close())
  const text = read('openapi.json')
  const imported = importOpenApi(text)
  const action = (name: string): Action => {
    const found = imported.actions.find((one) => one.name === name)
    assert.ok(found, `there is no ${name}`)
    return found
  }
  const send = async (name: string, values: Record<string, string>) => {
    const { method, path, headers, body } = action(name).request(values, open.token)
    const response = await fetch(open.url + path, {
      method,
      headers,
      ...(body !== '' && { body: Buffer.from(body) }),
    })
    const answer: unknown = await response.json()
    return { status: response.status, body: Answer.parse(answer) }
  }

  test('imports with one action for each operation, named as a person would', () => {
    assert.equal(imported.name, 'Cordon')
    assert.deepEqual(imported.actions.map(({ name }) => name).sort(), [
      'get_list_decisions',
      'get_list_questions',
      'get_lookup_address',
      'get_show_decision',
      'post_approve_decision',
      'post_block_address',
      'post_decline_decision',
      'post_extend_block',
      'post_lift_address',
      'post_lift_decision',
      'post_send_alert',
    ])
  })
  test('has nothing that the importer drops or that a form would mangle', () => {
    assert.match(text, /^\p{ASCII}+$/u, 'what is not ASCII is stripped')
    assert.doesNotMatch(text, /\$ref|"nullable"|%!s/)
    const { paths } = z
      .looseObject({ paths: z.record(z.string(), z.object({}).loose()) })
      .parse(JSON.parse(text))
    for (const [path, item] of Object.entries(paths)) {
      assert.ok(!Object.hasOwn(item, 'parameters'), `${path} has parameters of the path`)
      for (const [, name] of path.matchAll(/\{([^}]+)\}/g)) assert.match(name ?? '', /^[a-z_]+$/)
    }
  })
  test('asks for a body in every action that sends one, and says that it is JSON', () => {
    for (const one of imported.actions.filter(({ name }) => name.startsWith('post_'))) {
      assert.ok(one.parameters.includes('body*'), `${one.name} has no body`)
      const { headers } = one.request({ decision_id: 'd-1', connector: 'webhook' }, 'TOKEN')
      assert.equal(headers['content-type'], 'application/json')
      assert.equal(headers.authorization, 'Bearer TOKEN')
    }
  })
  test('blocks, looks up, lists and lifts at the service', async () => {
    const blocked = await send('post_block_address', {
      body: '{"target": "192.0.2.10",\n  "reason": "seen twice", "for": "4h"}',
    })
    assert.equal(blocked.status, 201)
    assert.equal(blocked.body.decision?.target, '192.0.2.10')
    const found = await send('get_lookup_address', { address: '192.0.2.10' })
    assert.equal(found.body.ordered, true)
    const listed = await send('get_list_decisions', { target: '192.0.2.10', state: 'issued' })
    assert.deepEqual(listed.body.decisions?.length, 1)
    const body = '{"target":"192.0.2.10","reason":"false alarm"}'
    assert.equal((await send('post_lift_address', { body })).status, 200)
    assert.equal((await send('get_lookup_address', { address: '192.0.2.10' })).body.ordered, false)
  })
  test('hands over an alert, and approves and declines what the policy asks about', async () => {
    const alert = async (attacker: string) => {
      const body = JSON.stringify(record(attacker, { severity: 50 }))
      const answer = await send('post_send_alert', { connector: 'webhook', body })
      return answer.body.items?.[0]?.alerts?.[0]?.decision ?? ''
    }
    const answer = { body: '{"reason": "known here"}' }
    const yes = { ...answer, decision_id: await alert('192.0.2.20') }
    const no = { ...answer, decision_id: await alert('192.0.2.21') }
    assert.equal((await send('get_list_questions', {})).body.waiting, 2)
    assert.equal((await send('post_approve_decision', yes)).body.decision?.state, 'issued')
    assert.equal((await send('post_decline_decision', no)).body.decision?.state, 'declined')
    assert.equal((await send('get_show_decision', yes)).body.decision?.target, '192.0.2.20')
  })
})

const Decision = z.looseObject({ id: z.string(), state: z.string(), target: z.string().nullable() })
const Answer = z.looseObject({
  success: z.boolean(),
  decision: Decision.optional(),
  decisions: z.array(Decision).optional(),
  ordered: z.boolean().optional(),
  waiting: z.number().optional(),
  items: z
    .array(z.looseObject({ alerts: z.array(z.looseObject({ decision: z.string() })).optional() }))
    .optional(),
})

const Outcome = z.looseObject({
  shuffle_loader: z.string(),
  generated: z.boolean().optional(),
  app_name: z.string().optional(),
  app_version: z.string().optional(),
  auth_parameters: z.array(z.string()).optional(),
  actions: z.array(z.string()).default([]),
  action_parameters: z.record(z.string(), z.array(z.string())).default({}),
  requests_sent: z.record(z.string(), z.looseObject({ raised: z.string().optional() })).default({}),
})

describe('the rules of the importer, against what the real one did', { skip: noSamples }, () => {
  const outcomes = noSamples
    ? {}
    : z.record(z.string(), Outcome).parse(JSON.parse(read('openapi-cases/expected.json', samples)))
  for (const [name, outcome] of Object.entries(outcomes))
    test(name, () => {
      const text = read(`openapi-cases/${name}.json`, samples)
      if (outcome.generated === false) return void assert.throws(() => importOpenApi(text), /rule:/)
      const imported = importOpenApi(text)
      assert.equal(imported.name, outcome.app_name)
      assert.equal(imported.version, outcome.app_version)
      assert.deepEqual(imported.auth, outcome.auth_parameters)
      assert.deepEqual(imported.actions.map((one) => one.name).sort(), [...outcome.actions].sort())
      for (const one of imported.actions) checkAction(one, outcome, imported.actions)
    })
})

function checkAction(
  action: Action,
  { action_parameters, requests_sent }: z.infer<typeof Outcome>,
  all: readonly Action[],
): void {
  const known = action_parameters[action.name]
  const same = all.filter(({ name }) => name === action.name).map(({ parameters }) => parameters)
  assert.ok(
    same.some((names) => JSON.stringify(names) === JSON.stringify(known)),
    action.name,
  )
  const values = {
    value: '203.0.113.0/24',
    block_id: 'b1',
    page_size: 'X',
    body: '{ "value": "203.0.113.7",  "reason": "two\n spaces" }',
  }
  const sent = requests_sent[action.name]
  if (sent?.raised !== undefined) {
    const missing = /'(\w+)'/.exec(sent.raised)?.[1] ?? ''
    assert.throws(() => action.request(values, 'TOKEN'), new RegExp(`'${missing}' is not defined`))
    return
  }
  const request = action.request(values, 'TOKEN')
  const length = request.body === '' ? {} : { 'content-length': `${request.body.length}` }
  assert.deepEqual({ ...request, headers: { ...request.headers, ...length } }, sent)
}
