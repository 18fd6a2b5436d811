/** The manifest for Shuffle: what its importer makes of the document, the app against a service, and the workflows. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { serve } from '@hono/node-server'
import { parse } from 'yaml'
import { z } from 'zod'
import { chooseCertificate } from '../../actions/certificate.ts'
import { ManifestFile } from '../../actions/manifest/manifest-file.ts'
import { listen } from '../listening.ts'
import { openTestService, record, type TestService } from '../service.ts'
import { type Action, importOpenApi } from './shuffle/import-openapi.ts'
import { loadApp } from './shuffle/load-app.ts'
import { faults, readWorkflow } from './shuffle/read-workflow.ts'
import { noPackage, noPython, runPython } from './shuffle/run-python.ts'
import { runWorkflow } from './shuffle/run-workflow.ts'

const folder = new URL('../../manifests/shuffle/', import.meta.url)
const appFolder = new URL('app/cordon/1.0.0/', folder)
const samples = new URL('../../../shared/contracts/soar-samples/shuffle/', import.meta.url)
const noSamples = existsSync(samples) ? false : 'the samples in ../shared are not here'
const read = (name: string, from = folder) => readFileSync(new URL(name, from), 'utf8')
const app = loadApp(parse(read('api.yaml', appFolder)))

let service: TestService
let url: string
let token: string
let close: () => Promise<void>
before(async () => {
  service = await openTestService()
  token = await service.token(['review', 'ingest'])
  const listening = await listen(service)
  url = `http://127.0.0.1:${listening.port}`
  close = async () => {
    await listening.close()
    await service.close()
  }
})
after(() => close())

describe('the OpenAPI document in Shuffle', () => {
  const text = read('openapi.json')
  const imported = importOpenApi(text)
  const action = (name: string): Action => {
    const found = imported.actions.find((one) => one.name === name)
    assert.ok(found, `there is no ${name}`)
    return found
  }
  const send = async (name: string, values: Record<string, string>) => {
    const { method, path, headers, body } = action(name).request(values, token)
    const response = await fetch(url + path, {
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
      const { headers } = one.request({ decision_id: 'd-1', connector: 'webhook' }, token)
      assert.equal(headers['content-type'], 'application/json')
      assert.equal(headers.authorization, `Bearer ${token}`)
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

describe('the app in Shuffle', () => {
  test('its api.yaml is taken, and its image has the name that Shuffle gives it', () => {
    assert.equal(app.image, 'frikky/shuffle:cordon_1.0.0')
    for (const name of ['Dockerfile', 'requirements.txt', 'src/app.py', 'README.md'])
      assert.ok(existsSync(new URL(name, appFolder)), `${name} is missing`)
  })
  test('the token is masked where it is typed in', () => {
    const token = app.app.authentication?.parameters?.find(({ name }) => name === 'api_key')
    assert.match(token?.example ?? '', /^\*+$/)
  })
  test('rules of the decoder, against what the real one did', { skip: noSamples }, () => {
    const expected = z
      .record(z.string(), z.looseObject({ shuffle: z.string(), image: z.string().optional() }))
      .parse(JSON.parse(read('api-yaml-cases/expected.json', samples)))
    for (const [name, { shuffle, image }] of Object.entries(expected)) {
      const text = read(`api-yaml-cases/${name}.yaml`, samples)
      if (shuffle === 'skipped') assert.throws(() => loadApp(parse(text)), name)
      else assert.equal(loadApp(parse(text)).image, image, name)
    }
  })
  for (const [sdk, path, skip] of [
    ['a stand-in of its SDK', 'shuffle/stand-in', noPython],
    ['its real SDK', '', noPackage('shuffle_sdk')],
  ] as const)
    describe(`run by ${sdk}`, { skip }, () => {
      const perform = performWith(path && new URL(path, import.meta.url).pathname)

      test('every action is a method that takes all its parameters', async () => {
        for (const [name, parameters] of app.actions) {
          const values = Object.fromEntries(parameters.map((one) => [one.name, '']))
          const { success, message } = await perform(name, { ...values, url: 'nowhere' })
          assert.equal(success, false)
          assert.match(message, /https|JSON/, name)
        }
      })
      test('blocks an address, finds it, and lifts it', async () => {
        const order = { target: '192.0.2.30', reason: 'seen twice' }
        const blocked = await perform('block_address', order)
        assert.deepEqual([blocked.success, blocked.status, blocked.state], [true, 201, 'issued'])
        const found = await perform('lookup_address', { address: '192.0.2.30' })
        assert.match(found.message, /ordered to be blocked.*T07:00:00/)
        assert.match((await perform('list_blocked', { state: 'issued' })).text, /192\.0\.2\.30/)
        const lifted = await perform('lift_address', { target: '192.0.2.30', reason: 'mistake' })
        assert.equal(lifted.message, '1 lifted, nothing else covers it')
      })
      test('says why a protected address is not blocked, and what to do', async () => {
        const refused = await perform('block_address', { target: '10.0.0.1', reason: 'seen twice' })
        assert.deepEqual([refused.success, refused.status], [false, 409])
        assert.match(refused.message, /private network.*: choose a target beside it/)
      })
      test('sends an alert, and answers the question that comes of it', async () => {
        const alert = JSON.stringify(record('192.0.2.31', { severity: 50 }))
        const { decision_id, outcome, state } = await perform('send_alert', { alert })
        assert.deepEqual([outcome, state], ['review', 'waiting'])
        assert.match((await perform('list_questions', {})).text, new RegExp(decision_id ?? '-'))
        const answer = { decision_id: decision_id ?? '', reason: 'our scanner' }
        assert.equal((await perform('decline_decision', answer)).state, 'declined')
        assert.equal((await perform('approve_decision', answer)).status, 409)
      })
    })
})

const Told = z.object({
  success: z.boolean(),
  status: z.number(),
  message: z.string(),
  decision_id: z.string().nullable(),
  state: z.string().nullable(),
  outcome: z.string().nullable(),
  body: z.looseObject({}),
})
type Told = z.infer<typeof Told> & { text: string }

/** As `docker run` would: `python app.py`, here with the arguments of a stand-alone start. */
function performWith(path: string) {
  return async (name: string, values: Record<string, string>): Promise<Told> => {
    const given = { url, api_key: token, ...values }
    const pairs = Object.entries(given).map(([key, value]) => `${key}=${value}`)
    const program = new URL('src/app.py', appFolder).pathname
    const ran = await runPython([program, '--standalone', `--action=${name}`, ...pairs], { path })
    const text = ran.stdout.split('\n').findLast((line) => line.startsWith('{')) ?? ''
    assert.notEqual(text, '', `${name}: ${ran.stderr}`)
    assert.ok(!`${ran.stdout}${ran.stderr}`.includes(token), 'the token was printed')
    return { ...Told.parse(JSON.parse(text)), text }
  }
}

describe('what the app trusts', { skip: noPython }, () => {
  test('a certificate of the service itself only when it was given, also on one line', async () => {
    const perform = performWith(new URL('shuffle/stand-in', import.meta.url).pathname)
    const settings = {
      data_dir: service.dir,
      public_url: 'https://127.0.0.1',
      tls_cert: undefined,
      tls_key: undefined,
    }
    const certificate = await chooseCertificate(settings, '127.0.0.1', false, Date.now())
    assert.ok(certificate)
    const { cert, key } = certificate
    const server = await new Promise<ReturnType<typeof serve>>((done) => {
      const started = serve(
        {
          fetch: service.app.fetch,
          hostname: '127.0.0.1',
          port: 0,
          createServer,
          serverOptions: { cert, key },
        },
        () => done(started),
      )
    })
    try {
      const place = server.address()
      assert.ok(place !== null && typeof place === 'object')
      const https = { url: `https://127.0.0.1:${place.port}`, address: '192.0.2.1' }
      const refused = await perform('lookup_address', https)
      assert.deepEqual([refused.status, refused.success], [0, false])
      assert.match(refused.message, /CERTIFICATE_VERIFY_FAILED/)
      const given = { ...https, certificate: cert.replaceAll('\n', ' ') }
      assert.equal((await perform('lookup_address', given)).message, '192.0.2.1 is not blocked')
    } finally {
      await new Promise((done) => server.close(done))
    }
  })
  test('no address but https, and no token that could break out of its header', async () => {
    const perform = performWith(new URL('shuffle/stand-in', import.meta.url).pathname)
    const plain = await perform('lookup_address', { url: 'http://cordon.example', address: '::1' })
    assert.match(plain.message, /has to begin with https/)
    const broken = await perform('lookup_address', { api_key: 'a\r\nb: c', address: '::1' })
    assert.match(broken.message, /the token is none of Cordon's/)
  })
})

describe('the workflows', () => {
  const names = readdirSync(new URL('workflows/', folder))
  const workflow = (name: string) => readWorkflow(JSON.parse(read(`workflows/${name}.json`)))
  for (const file of names)
    test(`${file} decodes, and uses only what the app has`, () => {
      assert.deepEqual(faults(workflow(file.replace('.json', '')), app), [])
    })
  test('a workflow with a fault is found out', () => {
    const broken = workflow('unblock')
    const [first] = broken.actions
    assert.ok(first)
    first.name = 'lift_adress'
    broken.branches.push({
      ...broken.branches[0],
      id: first.id,
      source_id: broken.id,
      destination_id: first.id,
      conditions: null,
    })
    assert.deepEqual(faults(broken, app), [
      'the app has no action lift_adress',
      `a branch ends at ${broken.id}, which is nowhere`,
    ])
  })
  test('the public samples decode', { skip: noSamples }, () => {
    for (const name of ['minimal-webhook-block', 'approval-userinput'])
      readWorkflow(JSON.parse(read(`workflows/${name}.json`, samples)))
  })
  describe('run', { skip: noPython }, () => {
    const perform = performWith(new URL('shuffle/stand-in', import.meta.url).pathname)
    const run = (name: string, body: object, answer: boolean, asked: string[] = []) =>
      runWorkflow(workflow(name), {
        body,
        perform,
        person: (question) => asked.push(question) > 0 && answer,
      })
    const ordered = async (address: string) =>
      (await service.ask('GET', `/v1/why?address=${address}`)).body.ordered

    test('block with approval: blocks on yes, not on no, and does not ask twice', async () => {
      const body = { ip: '192.0.2.40', reason: 'three incidents' }
      await run('block-with-approval', body, false)
      assert.equal(await ordered(body.ip), false)
      const asked: string[] = []
      await run('block-with-approval', body, true, asked)
      assert.equal(await ordered(body.ip), true)
      assert.match(
        asked[0] ?? '',
        /^Block 192\.0\.2\.40 \(three incidents\)\? 192\.0\.2\.40 is not/,
      )
      await run('block-with-approval', body, true, asked)
      assert.equal(asked.length, 1)
    })
    test('unblock: lifts, and looks up what is left', async () => {
      const results = await run('unblock', { ip: '192.0.2.40', reason: 'cleared' }, true)
      assert.equal(await ordered('192.0.2.40'), false)
      assert.match(JSON.stringify(results.get('check')), /192\.0\.2\.40 is not blocked/)
    })
    test('triage: asks about what the policy doubts, and about nothing else', async () => {
      const asked: string[] = []
      await run('triage', record('192.0.2.41', { severity: 90 }), true, asked)
      assert.deepEqual(asked, [])
      assert.equal(await ordered('192.0.2.41'), true)
      await run('triage', record('192.0.2.42', { severity: 50 }), true, asked)
      assert.equal(asked.length, 1)
      assert.equal(await ordered('192.0.2.42'), true)
    })
  })
})

test('the manifest is one that "cordon manifest" can install', () => {
  const { parts } = ManifestFile.parse(parse(read('manifest.yaml')))
  const from = Object.values(parts).flatMap(({ files }) => files.map((file) => file.from))
  for (const path of from) assert.ok(existsSync(new URL(path, folder)), path)
  assert.ok(read('README.md').split('\n').length < 60)
})
