/** The manifest for Splunk SOAR: its app's JSON by the rules of public apps, and every action against a service. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { type Listening, openListening } from './shuffle/open-listening.ts'
import { noPython, runPython } from './shuffle/run-python.ts'

const folder = new URL('../../manifests/splunk-soar/', import.meta.url)
const sample = new URL(
  '../../../shared/contracts/soar-samples/splunk-soar/fortigate.json',
  import.meta.url,
)
const noSample = existsSync(sample) ? false : 'the samples in ../shared are not here'
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')

const Kind = z.enum(['string', 'numeric', 'boolean', 'password'])
const Parameter = z.strictObject({
  description: z.string().min(1),
  data_type: Kind,
  required: z.boolean().optional(),
  primary: z.boolean().optional(),
  contains: z.array(z.string()).optional(),
  order: z.number(),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  value_list: z.array(z.string()).optional(),
})
const Output = z.strictObject({
  data_path: z.string(),
  data_type: z.union([Kind, z.literal('')]),
  contains: z.array(z.string()).optional(),
  example_values: z.array(z.unknown()).optional(),
  column_name: z.string().optional(),
  column_order: z.number().optional(),
})
const Action = z.strictObject({
  action: z.string().regex(/^[a-z ]+$/),
  identifier: z.string().regex(/^[a-z_]+$/),
  description: z.string().min(1),
  verbose: z.string().optional(),
  type: z.enum(['test', 'contain', 'correct', 'investigate', 'generic']),
  read_only: z.boolean(),
  parameters: z.record(z.string(), Parameter),
  output: z.array(Output),
  undo: z.string().optional(),
  versions: z.literal('EQ(*)'),
  render: z.looseObject({ type: z.enum(['table', 'custom', 'json']) }).optional(),
})
const App = z.looseObject({
  appid: z.uuid(),
  name: z.string(),
  description: z.string(),
  publisher: z.string(),
  package_name: z.string().regex(/^[a-z_]+$/),
  type: z.string(),
  license: z.string(),
  main_module: z.string().endsWith('.py'),
  app_version: z.string().regex(/^\d+\.\d+\.\d+$/),
  product_vendor: z.string(),
  product_name: z.string(),
  product_version_regex: z.string(),
  min_phantom_version: z.string(),
  python_version: z.string(),
  logo: z.string().endsWith('.svg'),
  logo_dark: z.string().endsWith('.svg'),
  configuration: z.record(z.string(), Parameter),
  actions: z.array(Action),
})
const app = App.parse(JSON.parse(read('cordon_soar/cordon.json')))

describe('the app', () => {
  test('a public app follows the same rules', { skip: noSample }, () => {
    App.parse(JSON.parse(readFileSync(sample, 'utf8')))
  })
  test('tests its connection, and has the verbs of generic playbooks with their undo', () => {
    const of = (name: string) => app.actions.find(({ action }) => action === name)
    assert.equal(of('test connectivity')?.type, 'test')
    assert.deepEqual([of('block ip')?.type, of('block ip')?.undo], ['contain', 'unblock ip'])
    assert.equal(of('unblock ip')?.type, 'correct')
    for (const verb of [of('block ip'), of('unblock ip')]) {
      const required = Object.entries(verb?.parameters ?? {}).filter(([, one]) => one.required)
      assert.deepEqual(
        required.map(([name]) => name),
        ['ip'],
      )
    }
  })
  test('names every parameter among its outputs, and identifiers once', () => {
    for (const { action, parameters, output } of app.actions)
      for (const name of Object.keys(parameters))
        assert.ok(
          output.some(({ data_path }) => data_path === `action_result.parameter.${name}`),
          `${action} ${name}`,
        )
    const identifiers = app.actions.map(({ identifier }) => identifier)
    assert.equal(new Set(identifiers).size, identifiers.length)
  })
  test('masks the token, offers no way to trust any certificate, and is complete', () => {
    assert.equal(app.configuration.api_key?.data_type, 'password')
    assert.deepEqual(Object.keys(app.configuration), ['url', 'api_key', 'certificate'])
    for (const file of [
      app.main_module,
      app.logo,
      app.logo_dark,
      'cordon_client.py',
      '__init__.py',
    ])
      assert.ok(existsSync(new URL(`cordon_soar/${file}`, folder)), file)
  })
})

const Ran = z.object({
  progress: z.array(z.string()),
  results: z.array(
    z.object({
      status: z.enum(['success', 'failed']),
      message: z.string(),
      data: z.array(z.looseObject({ id: z.string(), target: z.string(), state: z.string() })),
      summary: z.looseObject({ ordered: z.boolean().optional() }),
      parameter: z.looseObject({}),
    }),
  ),
})

describe('its actions against a service', { skip: noPython }, () => {
  let open: Listening
  before(async () => {
    open = await openListening(['review'])
  })
  after(() => open.close())

  const drive = (action: string, parameters: object[], other: object = {}) => {
    const config = { url: open.url, api_key: open.token, ...other }
    const path = new URL('splunk-soar/stand-in', import.meta.url).pathname
    const place = new URL('cordon_soar', folder).pathname
    const input = JSON.stringify({
      app: place,
      action,
      parameters,
      config,
    })
    return runPython([new URL('splunk-soar/run.py', import.meta.url).pathname], { path, input })
  }
  const run = async (action: string, parameter: object = {}, other: object = {}) => {
    const ran = await drive(action, [parameter], other)
    assert.equal(ran.code, 0, ran.stderr)
    assert.ok(!ran.stdout.includes(open.token), 'the token was printed')
    const { results, progress } = Ran.parse(JSON.parse(ran.stdout))
    const [result] = results
    assert.ok(result)
    return { ...result, progress }
  }

  test('the test of the connection succeeds, or says what is wrong', async () => {
    assert.equal((await run('test connectivity')).status, 'success')
    const wrong = await run('test connectivity', {}, { api_key: 'cordon_unknown' })
    assert.equal(wrong.status, 'failed')
    assert.match(wrong.progress.join(), /this token is not known here/)
  })
  test('every action of the app is one that the connector knows', async () => {
    for (const { action, parameters } of app.actions) {
      const usual = { ip: '192.0.2.1', decision_id: 'd-1', limit: 1 }
      const given = Object.entries(usual).filter(([name]) => Object.hasOwn(parameters, name))
      const refused = await run(action, Object.fromEntries(given), { url: 'http://cordon.example' })
      assert.match(refused.message, /has to begin with https/, action)
    }
  })
  test('blocks with nothing but an address, looks it up, lists and unblocks it', async () => {
    for (const ip of ['192.0.2.90', '2001:db8:90::/64']) {
      const blocked = await run('block ip', { ip })
      assert.deepEqual([blocked.status, blocked.data[0]?.target], ['success', ip])
      assert.equal((await run('lookup ip', { ip })).summary.ordered, true)
    }
    assert.equal((await run('list decisions', { state: 'issued', limit: 1 })).data.length, 1)
    const lifted = await run('unblock ip', { ip: '192.0.2.90', reason: 'false alarm' })
    assert.equal(lifted.message, '1 lifted, nothing else covers it')
  })
  test('a protected address fails with what to do; what is no address is not sent at all', async () => {
    const refused = await run('block ip', { ip: '10.0.0.1' })
    assert.equal(refused.status, 'failed')
    assert.match(refused.message, /private network.*: choose a target beside it/)
    assert.match((await drive('block ip', [{ ip: 'example.org' }])).stderr, /ip is not valid/)
  })
  test('lists what waits, approves and declines', async () => {
    const [yes, no] = [await open.question('192.0.2.91'), await open.question('192.0.2.92')]
    const waiting = (await run('list questions')).data.map(({ id }) => id)
    assert.deepEqual(waiting.sort(), [yes, no].sort())
    assert.equal((await run('approve decision', { decision_id: yes })).data[0]?.state, 'issued')
    assert.equal((await run('decline decision', { decision_id: no })).data[0]?.state, 'declined')
  })
})
