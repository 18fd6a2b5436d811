/** The manifest for Cortex XSOAR: the schema of its SDK, and every command against a service. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Listening, openListening } from './shuffle/open-listening.ts'
import { noPackage, noPython, pythonName, runPython } from './shuffle/run-python.ts'
import { faults } from './xsoar/kwalify.ts'

const folder = new URL('../../manifests/xsoar/', import.meta.url)
const samples = new URL('../../../shared/contracts/soar-samples/xsoar/', import.meta.url)
const noSamples = existsSync(samples) ? false : 'the samples in ../shared are not here'
const read = (name: string, from = folder) => readFileSync(new URL(name, from), 'utf8')

const Described = z.looseObject({ name: z.string(), description: z.string().min(1) })
const Integration = z.looseObject({
  commonfields: z.strictObject({ id: z.literal('Cordon'), version: z.literal(-1) }),
  configuration: z.array(
    z.looseObject({ name: z.string(), type: z.number(), required: z.boolean() }),
  ),
  script: z.looseObject({
    script: z.string(),
    type: z.literal('python'),
    subtype: z.literal('python3'),
    commands: z.array(
      Described.extend({
        arguments: z.array(Described.extend({ required: z.boolean().optional() })),
        outputs: z.array(
          z.looseObject({ contextPath: z.string(), description: z.string().min(1) }),
        ),
      }),
    ),
  }),
})
const integration = Integration.parse(parse(read('integration-Cordon.yml')))

describe('the integration', () => {
  test('follows the schema of the SDK', { skip: noSamples }, () => {
    const schema: unknown = parse(read('schema/integration.yml', samples))
    assert.deepEqual(faults(parse(read('integration-Cordon.yml')), schema), [])
    const expected = z
      .record(z.string(), z.looseObject({ valid: z.boolean() }))
      .parse(JSON.parse(read('cases/expected.json', samples)))
    for (const [name, { valid }] of Object.entries(expected))
      assert.equal(
        faults(parse(read(`cases/${name}.yml`, samples)), schema).length === 0,
        valid,
        name,
      )
  })
  test('follows it also for pykwalify', { skip: noSamples || noPackage('pykwalify') }, () => {
    const code =
      'import sys; from pykwalify.core import Core; Core(source_file=sys.argv[1], schema_files=[sys.argv[2]]).validate(raise_exception=True)'
    const files = [
      new URL('integration-Cordon.yml', folder),
      new URL('schema/integration.yml', samples),
    ]
    execFileSync(pythonName, ['-c', code, ...files.map(({ pathname }) => pathname)], {
      stdio: 'pipe',
    })
  })
  test('keeps the token encrypted, and offers no way to trust any certificate', () => {
    const types = new Map(integration.configuration.map(({ name, type }) => [name, type]))
    assert.equal(types.get('credentials'), 9)
    assert.equal(types.get('certificate'), 12)
    assert.ok(!types.has('insecure'))
  })
})

const Entry = z.object({
  type: z.number(),
  text: z.string(),
  context: z.record(z.string(), z.unknown()),
})

describe('its commands against a service', { skip: noPython }, () => {
  let open: Listening
  before(async () => {
    open = await openListening(['review'])
  })
  after(() => open.close())

  const run = async (command: string, args: Record<string, string> = {}, other: object = {}) => {
    const params = { url: `${open.url}/`, credentials: { password: open.token } }
    const given = {
      script: integration.script.script,
      command,
      args,
      params: { ...params, ...other },
    }
    const standIn = new URL('xsoar/stand_in.py', import.meta.url).pathname
    const ran = await runPython([standIn], { input: JSON.stringify(given) })
    assert.equal(ran.code, 0, ran.stderr)
    return z.array(Entry).parse(JSON.parse(ran.stdout))
  }

  test('the test of an instance says ok, or what is wrong', async () => {
    assert.equal((await run('test-module'))[0]?.text, 'ok')
    const wrong = await run('test-module', {}, { credentials: { password: 'cordon_unknown' } })
    assert.match(wrong[0]?.text ?? '', /this token is not known here/)
  })
  test('every command that is declared is one that the script knows', async () => {
    for (const { name, arguments: needed } of integration.script.commands) {
      const args = Object.fromEntries(needed.map((argument) => [argument.name, 'x']))
      const [entry] = await run(name, args, { url: 'http://cordon.example' })
      assert.match(entry?.text ?? '', /has to begin with https/, name)
    }
  })
  test('blocks several addresses, and one that is protected does not take the others with it', async () => {
    const args = { ip: '192.0.2.50, 10.0.0.1,2001:db8::50', reason: 'seen twice', length: '1h' }
    const entries = await run('cordon-block', args)
    assert.deepEqual(
      entries.map(({ type }) => type),
      [1, 4, 1],
    )
    assert.match(entries[1]?.text ?? '', /10\.0\.0\.1.*is protected/)
    const [explained] = await run('cordon-explain', { ip: '192.0.2.50' })
    assert.match(explained?.text ?? '', /192\.0\.2\.50 is ordered to be blocked/)
    assert.deepEqual(
      (await open.service.ask('GET', '/v1/why?address=192.0.2.50')).body.ordered,
      true,
    )
  })
  test('a block for ever is refused with what to write instead', async () => {
    const [entry] = await run('cordon-block', { ip: '192.0.2.51', reason: 'r', length: '0' })
    assert.equal(entry?.type, 4)
    assert.match(entry?.text ?? '', /length/)
  })
  test('lifts, and lists what is in force', async () => {
    const listed = await run('cordon-decision-list', { state: 'issued' })
    assert.match(listed[0]?.text ?? '', /192\.0\.2\.50/)
    const [lifted] = await run('cordon-lift', { ip: '192.0.2.50', reason: 'false alarm' })
    assert.match(lifted?.text ?? '', /1 lifted, nothing else covers it/)
    assert.deepEqual(
      (await open.service.ask('GET', '/v1/why?address=192.0.2.50')).body.ordered,
      false,
    )
  })
  test('shows questions, approves one and declines one', async () => {
    const [yes, no] = [await open.question('192.0.2.52'), await open.question('192.0.2.53')]
    const asked = await run('cordon-question-list')
    for (const id of [yes, no]) assert.ok(asked[0]?.text.includes(id), id)
    await run('cordon-approve', { id: yes, reason: 'known' })
    await run('cordon-decline', { id: no, reason: 'ours' })
    const state = async (id: string) => (await open.service.ask('GET', `/v1/decisions/${id}`)).text
    assert.match(await state(yes), /"state":"issued"/)
    assert.match(await state(no), /"state":"declined"/)
  })
  test('what goes to the context is what the outputs promise', async () => {
    const [entry, address] = await run('cordon-explain', { ip: '2001:db8::50' })
    const found = { ...entry?.context, ...address?.context }
    for (const { outputs } of integration.script.commands)
      for (const { contextPath } of outputs) {
        const [product, noun, ...path] = contextPath.split('.')
        const row: unknown = [found[`${product}.${noun}`]].flat()[0]
        const value = path.reduce<unknown>((part, step) => Object(part)[step], row)
        assert.notEqual(value, undefined, contextPath)
      }
  })
})
