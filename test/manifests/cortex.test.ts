/** The workers for Cortex: their definitions by Cortex's rules, and their runs by its protocols against a real service. */
import assert from 'node:assert/strict'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { ManifestFile } from '../../actions/manifest/manifest-file.ts'
import { ownCertificate } from '../connectors/told.ts'
import { listen } from '../listening.ts'
import { openTestService, plainPolicy, type TestService } from '../service.ts'
import { isOffered, loadDefinitions, type Worker } from './cortex-rules.ts'
import { program, type Ran, runByInput, runInFolder, start } from './cortex-run.ts'

const folder = new URL('../../manifests/cortex/', import.meta.url)
const shared = new URL('../../../shared/contracts/soar-samples/cortex/', import.meta.url)
const skip = existsSync(shared) ? false : 'the shared samples are not beside this repository'

const Json = z.record(z.string(), z.unknown())
const read = (url: URL): unknown => JSON.parse(readFileSync(url, 'utf8'))
const files = ['responders', 'analyzers'].flatMap((kind) =>
  readdirSync(new URL(kind, folder)).map((file) => ({ kind, file, path: `${kind}/${file}` })),
)
const definitions = new Map(files.map(({ path }) => [path, read(new URL(path, folder))]))

function worker(path: string): Worker {
  const [loaded] = loadDefinitions(definitions.get(path))
  assert.ok(loaded, `${path} does not load`)
  return loaded
}

describe('every definition', () => {
  for (const { kind, file, path } of files)
    test(`${path} loads whole, is offered, and is started inside its folder`, () => {
      const { name, items, config, command, baseConfig, ...loaded } = worker(path)
      const given = Json.parse(definitions.get(path))
      assert.equal(`${name}.json`, file)
      assert.deepEqual(items.length, z.array(z.unknown()).parse(given.configurationItems).length)
      assert.deepEqual(config, given.config)
      assert.equal(command, 'Cordon/cordon.py')
      assert.equal(baseConfig, 'Cordon')
      assert.equal(
        kind === 'responders',
        isOffered({ ...loaded, name, items, config, command, baseConfig }),
      )
      assert.ok(kind === 'responders' || loaded.dataTypes.includes('ip'))
      for (const item of items)
        assert.ok(item.defaultValue === undefined || typeof item.defaultValue === item.type)
    })

  test('calls the token api_key, which Cortex masks, and asks for nothing else that is required but the url', () => {
    for (const { path } of files)
      assert.deepEqual(
        worker(path)
          .items.filter(({ required }) => required)
          .map(({ name }) => name),
        ['url', 'api_key'],
      )
  })

  test('is gated at TLP and PAP amber', () => {
    for (const { path } of files) {
      const { check_tlp, max_tlp, check_pap, max_pap } = worker(path).config
      assert.deepEqual([check_tlp, max_tlp, check_pap, max_pap], [true, 2, true, 2])
    }
  })

  test('passes the public schema', { skip }, () => {
    const text = readFileSync(new URL('flavor_schema.json', shared), 'utf8')
    const schema = z.fromJSONSchema(JSON.parse(text.replaceAll('definition', '$defs')))
    for (const [path, given] of definitions) {
      const passed = schema.safeParse(given)
      assert.ok(passed.success, `${path}: ${passed.error?.message}`)
    }
  })

  test('of which those that block differ in how long only', () => {
    const blocks = files.filter(({ file }) => /^Cordon_Block_/.test(file))
    const rest = blocks.map(({ path }) => {
      const { name, description, config, ...same } = Json.parse(definitions.get(path))
      const { length, ...constant } = Json.parse(config)
      assert.equal(name, `Cordon_Block_${length}`)
      return { ...same, constant }
    })
    assert.equal(rest.length, 3)
    for (const one of rest) assert.deepEqual(one, rest[0])
  })

  test('is started by a program that may be run and says what runs it', () => {
    accessSync(program, constants.X_OK)
    assert.equal(readFileSync(program, 'utf8').split('\n')[0], '#!/usr/bin/env python3')
  })
})

test('the manifest puts definitions and program into one folder a kind, as Cortex looks for them', () => {
  const text = readFileSync(new URL('manifest.yaml', folder), 'utf8')
  const { parts } = ManifestFile.parse(parse(text))
  for (const kind of ['responders', 'analyzers'])
    assert.deepEqual(
      parts[kind]?.files.map(({ from, to, mode }) => [from, to, mode]),
      [
        ['cordon.py', `{{dir}}/${kind}/Cordon/cordon.py`, '0755'],
        [`${kind}/`, `{{dir}}/${kind}/Cordon/`, '0644'],
      ],
    )
})

test('the rules are those of Cortex: its outcomes on deviating definitions', { skip }, () => {
  const outcome = (name: string) =>
    loadDefinitions(read(new URL(`definition-cases/${name}.json`, shared)))
  const only = (name: string) => {
    const [first, ...more] = outcome(name)
    assert.ok(first && more.length === 0, name)
    return first
  }
  const expected = z.record(z.string(), z.object({ cortex: z.string() }))
  const told = expected.parse(read(new URL('definition-cases/expected.json', shared)))
  const checks: Record<string, () => void> = {
    ok: () => assert.equal(only('ok').items.length, 6),
    ok_unblock_service: () => assert.ok(isOffered(only('ok_unblock_service'))),
    ok_catalog_array: () => assert.equal(outcome('ok_catalog_array').length, 2),
    item_without_multi: () => assert.equal(only('item_without_multi').items[0]?.multi, false),
    item_type_enum: () => assert.deepEqual(only('item_type_enum').items, []),
    item_default_misnamed: () =>
      assert.equal(
        only('item_default_misnamed').items.find(({ name }) => name === 'ttl_seconds')
          ?.defaultValue,
        undefined,
      ),
    config_string: () => assert.deepEqual(only('config_string').config, {}),
    no_license: () => assert.deepEqual(outcome('no_license'), []),
    version_number: () => assert.deepEqual(outcome('version_number'), []),
    data_type_bare_ip: () => assert.equal(isOffered(only('data_type_bare_ip')), false),
    command_outside_root: () => assert.equal(only('command_outside_root').command, undefined),
  }
  assert.deepEqual(Object.keys(checks).sort(), Object.keys(told).sort())
  for (const check of Object.values(checks)) check()
})

const policy = plainPolicy.replace(
  'rules:\n',
  `review: { second_approver: { ipv4_prefix: 28, ipv6_prefix: 56 } }
rules:
  - { name: asked, because: an analyst asks, when: '"analyst_request" in alert.groups', verdict: review, for: 4h }
`,
)

describe('run against a service', () => {
  let service: TestService
  let at: { port: number; close(): Promise<void> }
  let token: string
  before(async () => {
    // Whether a block lasts long enough already is judged by the clock of the machine.
    service = await openTestService({ policy, now: Date.now() })
    at = await listen(service)
    token = await service.token(['read', 'review', 'ingest'])
  })
  beforeEach(() => {
    service.clock.now = Date.now()
  })
  after(async () => {
    await at.close()
    await service.close()
  })

  /** As Cortex puts a job together: constants of the definition, what an administrator set, what belongs to all workers. */
  const job = (
    path: string,
    data: unknown,
    more: { config?: object } & Record<string, unknown> = {},
  ) => ({
    dataType: path.startsWith('analyzers') ? 'ip' : 'thehive:case_artifact',
    tlp: 2,
    pap: 2,
    message: '',
    parameters: { organisation: 'SOC', user: 'anna@example.test' },
    data,
    ...more,
    config: {
      ...worker(path).config,
      url: `http://127.0.0.1:${at.port}`,
      api_key: token,
      audience: [],
      proxy_http: null,
      proxy_https: null,
      cacerts: null,
      jobTimeout: 30,
      ...more.config,
    },
  })
  const artifact = (data: string | null, more: object = {}) => ({
    _id: `~${data}`,
    _type: 'case_artifact',
    dataType: 'ip',
    data,
    case: { caseId: 7, title: 'ssh \u001bbrute force', severity: 2, customFields: {} },
    ...more,
  })
  const block = 'responders/Cordon_Block_1h.json'
  const decisionsOn = async (target: string) => {
    const { body } = await service.ask('GET', `/v1/decisions?target=${encodeURIComponent(target)}`)
    return z.object({ decisions: z.array(Json) }).parse(body).decisions
  }
  const refusedWith = ({ exit, report }: Ran, message: RegExp) => {
    assert.equal(exit, 1)
    assert.equal(report.success, false)
    assert.match(report.errorMessage ?? '', message)
  }

  for (const [name, run] of [
    ['by job folder', runInFolder],
    ['by standard input', runByInput],
  ] as const)
    test(`blocks an observable and says so, ${name}`, async () => {
      const target = name === 'by job folder' ? '203.0.113.1' : '2001:db8::1'
      const { exit, report } = await run(job(block, artifact(target)))
      assert.equal(exit, 0)
      assert.equal(report.success, true)
      assert.match(report.full?.message ?? '', new RegExp(`^${target} is blocked until 20.*d-`))
      assert.deepEqual(report.operations, [{ type: 'AddTagToArtifact', tag: 'cordon:blocked' }])
      const [made] = await decisionsOn(target)
      assert.equal(made?.length_s, 3_600)
      assert.equal(
        made?.note,
        'anna@example.test by Cortex, for case 7 "ssh  brute force" in TheHive',
      )
    })

  test('clicked again lengthens its own block and makes no second one', async () => {
    const target = '203.0.113.2'
    const first = await runInFolder(job(block, artifact(target)))
    const again = await runInFolder(job(block, artifact(target)))
    const longer = await runInFolder(job('responders/Cordon_Block_7d.json', artifact(target)))
    const shorter = await runInFolder(job(block, artifact(target)))
    const ids = [first, again, longer, shorter].map(
      ({ report }) => z.object({ results: z.array(Json) }).parse(report.full).results[0]?.decision,
    )
    assert.equal(new Set(ids).size, 1, JSON.stringify(ids))
    assert.match(shorter.report.full?.message ?? '', /is blocked already, until/)
    assert.equal((await decisionsOn(target)).length, 1)
  })

  test('clicked again is no error where the clocks of Cortex and Cordon differ', async () => {
    const target = '203.0.113.6'
    service.clock.now -= 300_000
    for (const said of [/ is blocked until /, / is blocked already, until /]) {
      const { report } = await runInFolder(job(block, artifact(target)))
      assert.match(report.full?.message ?? report.errorMessage ?? '', said)
    }
    assert.equal((await decisionsOn(target)).length, 1)
  })

  test('a block of some nodes does not stand for one of all', async () => {
    const target = '203.0.113.3'
    await runInFolder(job(block, artifact(target), { config: { audience: ['group/web'] } }))
    await runInFolder(job(block, artifact(target), { config: { audience: ['group/db'] } }))
    const audiences = (await decisionsOn(target)).map(({ audience }) => audience)
    assert.deepEqual(audiences.flat().sort(), ['group/db', 'group/web'])
  })

  for (const [what, more] of Object.entries({
    'a limit': { action: 'limit', rate: { packets: 20, per: 'second', burst: 40 } },
    'a block of one port': { protocol: 'tcp', ports: ['22'] },
    'a block of the way out': { direction: 'out' },
  }))
    test(`${what} does not stand for a block`, async () => {
      const target = { 'a limit': '203.0.113.70', 'a block of one port': '203.0.113.71' }[what]
      const body = { target: target ?? '203.0.113.72', for: '4h', reason: 'a colleague', ...more }
      assert.equal((await service.ask('POST', '/v1/decisions', { body })).status, 201)
      const { report } = await runInFolder(job(block, artifact(body.target)))
      assert.match(report.full?.message ?? '', / is blocked until /)
      assert.equal((await decisionsOn(body.target)).length, 2)
    })

  test('says of an address that is let pass that the block does nothing', async () => {
    const target = '203.0.113.73'
    const body = { target, action: 'allow', for: '4h', reason: 'our scanner' }
    await service.ask('POST', '/v1/decisions', { body })
    for (const said of [/is blocked until /, /is blocked already, until /]) {
      const { report } = await runInFolder(job(block, artifact(target)))
      assert.match(report.full?.message ?? '', said)
      assert.match(report.full?.message ?? '', /; but it is let pass until 20.* by .*\(d-\w+\)$/)
    }
  })

  test('blocks for as long as the custom field of the case says, else as the policy does', async () => {
    const path = 'responders/Cordon_Block.json'
    const fields = { 'cordon-length': { integer: 7_200 } }
    await runInFolder(
      job(path, artifact('203.0.113.4', { case: { caseId: 8, title: 'x', customFields: fields } })),
    )
    await runInFolder(
      job(
        path,
        artifact('203.0.113.5', {
          case: { caseId: 8, title: 'x', customFields: [{ name: 'cordon-length', value: '12h' }] },
        }),
      ),
    )
    assert.equal((await decisionsOn('203.0.113.4'))[0]?.length_s, 7_200)
    assert.equal((await decisionsOn('203.0.113.5'))[0]?.length_s, 43_200)
    const seconds = [{ name: 'cordon-length', value: 3_600.0001 }]
    const inCase = { case: { caseId: 8, title: 'x', customFields: seconds } }
    for (const _ of ['once', 'again'])
      assert.equal((await runInFolder(job(path, artifact('203.0.113.12', inCase)))).exit, 0)
    assert.equal((await decisionsOn('203.0.113.12'))[0]?.length_s, 3_600)
  })

  test('a network that needs two people waits, and is said to', async () => {
    const { report } = await runInFolder(job(block, artifact('203.0.113.0/24')))
    assert.equal(report.success, true)
    assert.match(report.full?.message ?? '', /so wide that a second person/)
    assert.deepEqual(report.operations, [{ type: 'AddTagToArtifact', tag: 'cordon:waiting' }])
  })

  test('what is protected, no address, or no token is refused in the words of the service', async () => {
    refusedWith(
      await runInFolder(job(block, artifact('198.51.100.70'))),
      /our office \(choose a target beside it/,
    )
    refusedWith(
      await runInFolder(job(block, artifact('203.0.113.6'), { config: { api_key: 'no' } })),
      /not known here/,
    )
    refusedWith(
      await runInFolder(job(block, artifact('203[.]0[.]113[.]6'))),
      /is no IP address or network; write it without brackets/,
    )
    for (const text of ['bad.example.test', '203.0.113.6:22', '203.0.113.6-9', 'fe80::1%eth0', ''])
      refusedWith(await runInFolder(job(block, artifact(text))), /is no IP address or network$/)
  })

  test('never shows the token again, and sends it nowhere in the clear', async () => {
    const { report } = await runInFolder(job(block, artifact('x')))
    assert.equal(report.input?.config.api_key, 'REMOVED')
    refusedWith(
      await runInFolder(
        job(block, artifact('203.0.113.6'), { config: { url: 'http://cordon.example' } }),
      ),
      /no https address/,
    )
  })

  test('lifts what is blocked, and says what still covers it', async () => {
    const lift = 'responders/Cordon_Lift.json'
    await runInFolder(job(block, artifact('203.0.113.8')))
    await service.ask('POST', '/v1/decisions', {
      body: { target: '203.0.113.0/28', reason: 'test', for: '1h' },
    })
    const { report } = await runInFolder(job(lift, artifact('203.0.113.8')))
    assert.equal(report.full?.message, '203.0.113.8: 1 lifted, 1 wider still covers it')
    assert.deepEqual(report.operations, [{ type: 'AddTagToArtifact', tag: 'cordon:lifted' }])
    const again = await runInFolder(job(lift, artifact('203.0.113.8')))
    assert.equal(again.report.success, true)
    assert.deepEqual(again.report.operations, [])
  })

  test('asks a person once, however often it is clicked', async () => {
    const ask = 'responders/Cordon_Review.json'
    const runs = [
      await runInFolder(job(ask, artifact('203.0.113.40'))),
      await runInFolder(job(ask, artifact('203.0.113.40'))),
    ]
    for (const { report } of runs)
      assert.match(report.full?.message ?? '', /^203\.0\.113\.40 waits for a person as d-/)
    const made = await decisionsOn('203.0.113.40')
    assert.deepEqual(
      made.map(({ state, rule }) => [state, rule]),
      [['waiting', 'asked']],
    )
    assert.deepEqual(runs[0]?.report.operations, [
      { type: 'AddTagToArtifact', tag: 'cordon:waiting' },
    ])
  })

  test('says how a person would be asked where the policy asks nobody', async (t) => {
    const quiet = await openTestService({ policy: 'version: 1\nrules: []\n', now: Date.now() })
    const there = await listen(quiet)
    t.after(async () => {
      await there.close()
      await quiet.close()
    })
    const config = { url: `http://127.0.0.1:${there.port}`, api_key: quiet.admin }
    const { report } = await runInFolder(
      job('responders/Cordon_Review.json', artifact('203.0.113.41'), { config }),
    )
    assert.match(report.full?.message ?? '', /nobody is asked\. A rule with the verdict review/)
    assert.deepEqual(report.operations, [])
  })

  test('asks about no network: nobody would know of whom an alert speaks', async () => {
    const ran = await runInFolder(job('responders/Cordon_Review.json', artifact('203.0.113.64/28')))
    refusedWith(ran, /is a network; a person is asked about single hosts only/)
    assert.deepEqual(await decisionsOn('203.0.113.64/28'), [])
  })

  test('of an alert every address is tried, and one that is refused spoils no other', async () => {
    const alert = {
      _id: '~9',
      _type: 'alert',
      source: 'siem',
      sourceRef: 'a-1',
      title: 'scan',
      artifacts: ['203.0.113.50', '10.0.0.1', '203.0.113.51', '198.51.100.70', '203.0.113.50'].map(
        (data) => ({
          dataType: 'ip',
          data,
        }),
      ),
    }
    const mixed = {
      ...alert,
      artifacts: [...alert.artifacts, { dataType: 'domain', data: 'bad.example.test' }],
    }
    const { report } = await runInFolder(job(block, mixed, { dataType: 'thehive:alert' }))
    const { results, problems } = z
      .object({ results: z.array(Json), problems: z.array(Json) })
      .parse(report.full)
    assert.deepEqual(
      results.map(({ target }) => target),
      ['203.0.113.50', '203.0.113.51'],
    )
    assert.deepEqual(
      problems.map(({ target }) => target),
      ['10.0.0.1', '198.51.100.70'],
    )
    assert.deepEqual(report.operations, [{ type: 'AddTagToAlert', tag: 'cordon:blocked' }])
  })

  describe('looked up', () => {
    const lookup = 'analyzers/Cordon_Lookup.json'
    const standing = async (address: string) => {
      const { report } = await runInFolder(job(lookup, address))
      assert.equal(report.errorMessage, undefined)
      return report.summary?.taxonomies.map(({ level, predicate, value }) => [
        level,
        predicate,
        value?.replace(/d-\w+|20[\d:.TZ-]+/, '…'),
      ])
    }
    test('an address is unknown, asked about, or blocked', async () => {
      assert.deepEqual(await standing('203.0.113.60'), [['info', 'Block', 'none']])
      await service.alert({ id: 'look', attacker: '203.0.113.61', rule: 'test', severity: 50 })
      assert.deepEqual(await standing('203.0.113.61'), [
        ['suspicious', 'Block', 'waits for a person (…)'],
        ['suspicious', 'Alerts', '1'],
      ])
      await runInFolder(job(block, artifact('203.0.113.62')))
      assert.deepEqual(await standing('203.0.113.62'), [
        ['malicious', 'Block', 'ordered until …, on no node yet'],
      ])
    })
    test('what is let pass or limited is called neither blocked nor about to be', async () => {
      const order = (target: string, more: object) =>
        service.ask('POST', '/v1/decisions', {
          body: { target, for: '4h', reason: 'test', ...more },
        })
      await order('203.0.113.63', { action: 'allow' })
      await order('203.0.113.63', {})
      await order('203.0.113.64', {
        action: 'limit',
        rate: { packets: 20, per: 'second', burst: 40 },
      })
      assert.deepEqual(await standing('203.0.113.63'), [['info', 'Block', 'let pass until …']])
      assert.deepEqual(await standing('203.0.113.64'), [
        ['suspicious', 'Block', 'of a part of its traffic'],
      ])
    })
    test('a responder’s object or a name is no address', async () => {
      refusedWith(await runInFolder(job(lookup, artifact('203.0.113.60'))), /one address as text/)
      refusedWith(await runInFolder(job(lookup, 'bad.example.test')), /is no IP address/)
    })
  })

  test('believes the authorities of Cortex, and nobody without them', async (t) => {
    const certificate = await ownCertificate()
    const server = https.createServer(certificate, (_, response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify({ detail: 'it was reached', remedy: 'be glad' }))
    })
    await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const given = job(block, artifact('203.0.113.6'), {
      config: { url: `https://127.0.0.1:${port}` },
    })
    refusedWith(await runInFolder(given, certificate.cert), /^it was reached \(be glad\)$/)
    refusedWith(await runInFolder(given), /cannot reach Cordon.*CERTIFICATE_VERIFY_FAILED/)
  })

  test('takes no answer of somebody else for Cordon’s, and follows no redirect with the token', async () => {
    const heard: string[] = []
    const other = createServer((request, response) => {
      heard.push(`${request.url}`)
      if (request.url?.startsWith('/elsewhere/')) return void response.end('<html>')
      if (request.url?.startsWith('/json/')) return void response.end('{"status":"ok"}')
      response.writeHead(302, { location: '/elsewhere/' }).end()
    })
    await new Promise<void>((up) => other.listen(0, '127.0.0.1', up))
    const { port } = other.address() as AddressInfo
    for (const url of [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port}/elsewhere`])
      refusedWith(
        await runInFolder(job(block, artifact('203.0.113.6'), { config: { url } })),
        /is not Cordon/,
      )
    assert.equal(heard.filter((path) => path === '/elsewhere/').length, 0)
    refusedWith(
      await runInFolder(
        job(block, artifact('203.0.113.6'), { config: { url: `http://127.0.0.1:${port}/json` } }),
      ),
      /answer is not as expected \(KeyError: 'decisions'\); check url/,
    )
    await new Promise((done) => other.close(done))
    refusedWith(
      await runInFolder(
        job(block, artifact('203.0.113.6'), { config: { url: `http://127.0.0.1:${port}` } }),
      ),
      /cannot reach Cordon/,
    )
  })

  test('without any job it says what it looked for', async () => {
    const { exit, stderr } = await start(['/nowhere'], '')
    assert.equal(exit, 1)
    assert.match(stderr, /neither \/nowhere\/input\/input\.json nor JSON/)
  })

  describe('given the job folders of the samples', { skip }, () => {
    const jobs = new URL('jobs/', shared)
    const names = skip === false ? readdirSync(jobs).filter((name) => !name.includes('.')) : []
    const sampled = (name: string) => {
      const given = Json.parse(read(new URL(`${name}/input/input.json`, jobs)))
      const { service: _, ...config } = Json.parse(given.config)
      const own = {
        service: 'block',
        length: '1h',
        url: `http://127.0.0.1:${at.port}`,
        api_key: token,
      }
      return { ...given, config: { ...config, ...own } }
    }
    const outcomes: Record<string, RegExp | 'done'> = {
      ip_public: 'done',
      ip_v6: 'done',
      config_nulls: 'done',
      already_blocked: 'done',
      alert: 'done',
      ip_private: /^10\.1\.2\.3 is a private address.*nothing was sent$/,
      type_domain: /^unsupported type domain/,
      type_file: /^unsupported type file/,
      tlp_too_high: /^TLP is higher than allowed\.$/,
      tlp_max_null: /^TLP is higher than allowed\.$/,
      pap_too_high: /^PAP is higher than allowed\.$/,
      data_is_string: /^unsupported type ip/,
    }
    test('there is an outcome for each', () => {
      assert.deepEqual(Object.keys(outcomes).sort(), names.toSorted())
    })
    for (const name of names)
      test(`${name} ends as the product should`, async () => {
        const wanted = outcomes[name]
        const [one, two] = [await runInFolder(sampled(name)), await runByInput(sampled(name))]
        if (wanted === 'done') {
          assert.deepEqual([one.exit, two.exit], [0, 0], `${one.report.errorMessage}`)
          const ids = [one, two].map(
            ({ report }) =>
              z.object({ results: z.array(Json) }).parse(report.full).results[0]?.decision,
          )
          assert.equal(ids[0], ids[1], 'the same request again is the same block')
        } else for (const ran of [one, two]) refusedWith(ran, wanted ?? /^$/)
        const frozen = z.record(
          z.string(),
          z.object({ real_cortexutils_stand_in: z.object({ exit: z.number() }) }),
        )
        const there = frozen.parse(read(new URL('expected.json', jobs)))[name]
        if (!['ip_private', 'alert'].includes(name))
          assert.equal(one.exit, there?.real_cortexutils_stand_in.exit)
      })
  })
})
