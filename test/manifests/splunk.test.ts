/** The app for Splunk: its files as Splunk reads them, and its script against a service, started as Splunk does. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { loadConnectors } from '../../actions/load-connectors.ts'
import { type Manifest, readManifest } from '../../actions/manifest/read-manifests.ts'
import type { Values } from '../../actions/manifest/render.ts'
import { wishesOf } from '../../actions/manifest/wish.ts'
import { ownCertificate } from '../connectors/told.ts'
import { listen } from '../listening.ts'
import { openTestService, type TestService } from '../service.ts'

const app = fileURLToPath(new URL('../../manifests/splunk/cordon_block/', import.meta.url))
const read = (path: string) => readFileSync(join(app, path), 'utf8')
const files = readdirSync(app, { recursive: true, encoding: 'utf8' })
  .filter((path) => statSync(join(app, path)).isFile() && !path.includes('__pycache__'))
  .sort()
const python = spawnSync('python3', ['--version']).status === 0 ? false : 'there is no python3 here'

type Conf = Map<string, Map<string, string>>
/** Stanzas and keys; a line that is neither fails. */
function readConf(text: string): Conf {
  const conf: Conf = new Map()
  let stanza = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line) || /^\* /.test(line)) continue
    const name = /^\[(.*)\]$/.exec(line)?.[1]
    const [, key, value] = /^([\w.<>-]+) ?= ?(.*)$/.exec(line) ?? []
    assert.ok(name !== undefined || key !== undefined, line)
    if (name !== undefined) {
      assert.ok(!conf.has(name), `[${name}] stands there twice`)
      stanza = new Map()
      conf.set(name, stanza)
    } else {
      if (conf.size === 0) conf.set('', stanza)
      assert.ok(!stanza.has(key ?? ''), `${key} stands there twice`)
      stanza.set(key ?? '', value ?? '')
    }
  }
  return conf
}
/** What is set over what is meant by default. */
function valuesOf({ file }: Manifest, given: Values): Values {
  const settings = Object.entries(file.settings)
  const standard = settings.map(([name, setting]) => [name, setting.default ?? ''] as const)
  return { ...Object.fromEntries(standard), ...given }
}
const conf = (path: string) => readConf(read(path))

describe('the files of the app', () => {
  const action = conf('default/alert_actions.conf').get('cordon_block')
  const parameters = [...(action?.keys() ?? [])].filter((key) => key.startsWith('param.'))

  test('are those that Splunk looks for: the stanza, its script, its form and its descriptions', () => {
    assert.deepEqual(files, [
      'README/alert_actions.conf.spec',
      'README/cordon_block.conf.spec',
      'README/savedsearches.conf.spec',
      'bin/cordon_block.py',
      'default/alert_actions.conf',
      'default/app.conf',
      'default/cordon_block.conf',
      'default/data/ui/alerts/cordon_block.html',
      'default/restmap.conf',
      'metadata/default.meta',
    ])
  })

  test('say that input is JSON, and by which Python', () => {
    assert.equal(action?.get('is_custom'), '1')
    assert.equal(action?.get('payload_format'), 'json')
    assert.equal(action?.get('python.version'), 'python3')
    assert.ok(action?.get('label') && action.get('description'))
  })

  test('give the script less time than Splunk does before it kills it', () => {
    const minutes = Number(/^(\d+)m$/.exec(action?.get('maxtime') ?? '')?.[1])
    const budget = Number(/^BUDGET = (\d+)$/m.exec(read('bin/cordon_block.py'))?.[1])
    assert.ok(budget + 10 < minutes * 60 && minutes <= 5)
  })

  test('describe every key that there is, and no other', () => {
    const spec = conf('README/alert_actions.conf.spec').get('cordon_block')
    assert.deepEqual([...(spec?.keys() ?? [])], parameters)
    const own = conf('default/cordon_block.conf').get('cordon')
    assert.deepEqual(
      [...(conf('README/cordon_block.conf.spec').get('cordon')?.keys() ?? [])],
      [...(own?.keys() ?? [])],
    )
    const script = read('bin/cordon_block.py')
    for (const key of own?.keys() ?? [])
      assert.ok(
        script.includes(`"${key}"`) || script.includes(`"${key.replace(/_file$/, '')}"`),
        key,
      )
    const saved = [...(conf('README/savedsearches.conf.spec').get('')?.keys() ?? [])]
    const prefixed = parameters.map((key) => `action.cordon_block.${key}`)
    assert.deepEqual(saved, ['action.cordon_block', ...prefixed])
    assert.deepEqual(
      [...(conf('default/restmap.conf').get('validation:savedsearch')?.keys() ?? [])],
      prefixed,
    )
  })

  test('ask in the form for what an alert may say, and neither for the address of Cordon nor for a token', () => {
    const form = read('default/data/ui/alerts/cordon_block.html')
    const asked = [...form.matchAll(/name="action\.cordon_block\.(.*?)"/g)].map(([, name]) => name)
    assert.deepEqual(asked, parameters)
    const options = [...form.matchAll(/<option value="(.*?)"/g)].map(([, value]) => value)
    assert.equal(options[0], action?.get('param.mode'), 'the first one is what is meant by default')
    for (const [, id] of form.matchAll(/for="(.*?)"/g)) assert.ok(form.includes(`id="${id}"`))
    const opened = [...form.matchAll(/<(\w+)[^>]*[^/]>/g)].map(([, tag]) => tag).sort()
    assert.deepEqual([...form.matchAll(/<\/(\w+)>/g)].map(([, tag]) => tag).sort(), opened)
  })

  test('check what is typed into the form as the service understands it', () => {
    const rules =
      conf('default/restmap.conf').get('validation:savedsearch') ?? new Map<string, string>()
    const rule = (name: string) =>
      new RegExp(
        /, "(.*?)"\)/.exec(rules.get(`action.cordon_block.param.${name}`) ?? '')?.[1] ?? '^$',
      )
    assert.ok(['', '4h', '1d12h', '90s'].every((text) => rule('length').test(text)))
    assert.ok(!['4', 'h', '4 h', 'forever', '4h; rm'].some((text) => rule('length').test(text)))
    assert.ok(['', 'src', 'Authentication.src'].every((text) => rule('field').test(text)))
    assert.ok(!['src dest', 'a"b'].some((text) => rule('field').test(text)))
  })

  test('let everybody use the action, and only administrators say where the token goes', () => {
    const all = conf('metadata/default.meta').get('')
    assert.equal(all?.get('access'), 'read : [ * ], write : [ admin ]')
    assert.equal(all?.get('export'), 'system')
  })

  test('have one version and one name wherever they are said, and reload what is their own', () => {
    const stanzas = conf('default/app.conf')
    const versions = ['launcher', 'id'].map((name) => stanzas.get(name)?.get('version'))
    assert.ok(versions.every((version) => /^\d+\.\d+\.\d+$/.test(version ?? '')))
    assert.equal(new Set(versions).size, 1)
    assert.equal(stanzas.get('package')?.get('id'), 'cordon_block')
    assert.equal(stanzas.get('id')?.get('name'), 'cordon_block')
    assert.equal(stanzas.get('triggers')?.get('reload.cordon_block'), 'simple')
    assert.ok(stanzas.get('launcher')?.get('author') && stanzas.get('ui')?.get('label'))
  })

  test('hold nothing hidden, nothing local, nothing that only some may run, and no line ends of Windows', () => {
    for (const path of files) {
      assert.ok(!path.split('/').some((part) => part.startsWith('.') || part === 'local'), path)
      const runs = (statSync(join(app, path)).mode & 0o111) !== 0
      assert.equal(runs, path.startsWith('bin/'), path)
      assert.ok(!read(path).includes('\r'), path)
      assert.ok(!/^\t/m.test(read(path)), path)
    }
  })

  test('are understood by the Python that Splunk brings', { skip: python }, () => {
    const check = 'import ast,sys; ast.parse(sys.stdin.read(), feature_version=(3, 7))'
    const parsed = spawnSync('python3', ['-c', check], { input: read('bin/cordon_block.py') })
    assert.equal(parsed.status, 0, parsed.stderr.toString())
  })

  for (const part of ['app', 'package'])
    test(`are all installed by part ${part} of the manifest, the script to be run`, () => {
      const manifest = readManifest('splunk')
      const values = valuesOf(manifest, { url: 'https://cordon.example.org:8055' })
      const wishes = wishesOf(manifest, [part], values)
      const below = part === 'app' ? '/opt/splunk/etc/apps/cordon_block/' : '/cordon_block/'
      assert.deepEqual(wishes.map(({ path }) => path.slice(below.length)).sort(), files)
      for (const wish of wishes) {
        assert.ok(wish.path.startsWith(below) && wish.kind === 'file')
        assert.equal(wish.mode, wish.path.includes('/bin/') ? 0o755 : 0o644)
        assert.ok(!/\{\{\w+\}\}/.test(wish.content.toString()), `${wish.path} is filled in`)
      }
    })
})

describe('the script, started as Splunk does', { skip: python }, () => {
  let service: TestService
  let listening: Awaited<ReturnType<typeof listen>>
  let dir: string
  let url: string
  const setup = { most_rows: '100', most_blocks: '3' }

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'cordon-splunk-'))
    service = await openTestService()
    const running = await loadConnectors(['splunk'], {}, {})
    const { connectors } = service.flow
    assert.ok(connectors instanceof Map)
    for (const [name, connector] of running) connectors.set(name, connector)
    listening = await listen(service)
    url = `http://127.0.0.1:${listening.port}`
    const manifest = readManifest('splunk')
    const token = join(dir, 'token')
    const values = valuesOf(manifest, { url, token_file: token, review_token_file: `${token}2` })
    for (const wish of wishesOf(manifest, ['package'], values)) {
      assert.ok(wish.kind === 'file')
      const path = join(dir, wish.path)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, wish.content)
      chmodSync(path, wish.mode)
    }
    writeFileSync(token, `${await service.token(['ingest'])}\n`, { mode: 0o600 })
    writeFileSync(`${token}2`, await service.token(['review']), { mode: 0o600 })
    mkdirSync(join(dir, 'cordon_block/local'))
  })
  beforeEach(() => setLocal(setup))
  after(async () => {
    await listening.close()
    await service.close()
    rmSync(dir, { recursive: true })
  })

  function setLocal(values: Record<string, string>): void {
    const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}\n`)
    writeFileSync(join(dir, 'cordon_block/local/cordon_block.conf'), `[cordon]\n${lines.join('')}`)
  }

  type Ran = { code: number | null; said: string }
  async function run(
    input: string,
    argument = '--execute',
    script = join(dir, 'cordon_block/bin/cordon_block.py'),
  ): Promise<Ran> {
    const child = spawn('python3', [script, argument], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, http_proxy: 'http://192.0.2.1:1', LC_ALL: 'C' },
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      said += piece
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const code = await new Promise<number | null>((done) => child.once('close', done))
    for (const line of said.trimEnd().split('\n'))
      assert.match(line, /^((INFO|WARN|ERROR|FATAL) .+)?$/, 'a line of splunkd.log')
    assert.ok(!said.includes('session-key-1'), 'the key of the session is not told')
    return { code, said }
  }

  let runs = 0
  /** What Splunk gives: all rows in a file, the first besides, and a key that is a secret. */
  function payload(csv: string | undefined, configuration: object = {}, more: object = {}): string {
    const sid = `scheduler__admin__search__RMD5_at_${++runs}`
    const file = join(dir, `${sid}.csv.gz`)
    if (csv !== undefined) writeFileSync(file, gzipSync(csv))
    return JSON.stringify({
      app: 'search',
      owner: 'admin',
      results_file: csv === undefined ? join(dir, 'gone.csv.gz') : file,
      results_link: `https://splunk.example.org:8000/app/search/@go?sid=${sid}`,
      search_uri: '/servicesNS/nobody/search/saved/searches/Brute+force',
      server_host: 'sh01',
      server_uri: 'https://127.0.0.1:1',
      session_key: 'session-key-1',
      sid,
      search_name: 'Brute force',
      configuration: { mode: 'alert', field: '', length: '', ...configuration },
      result: { src: '203.0.113.99', urgency: 'critical' },
      ...more,
    })
  }
  async function attackers(): Promise<string[]> {
    const { text } = await service.ask('GET', '/v1/alerts?limit=1000')
    return [...text.matchAll(/"attacker":"(.*?)"/g)].map(([, address = '']) => address)
  }
  async function blocks(target: string) {
    return (await service.ask('GET', `/v1/decisions?target=${target}`)).body.decisions ?? []
  }

  test('sends every row of a result, with all values of a field, and the policy decides', async () => {
    const csv = [
      '"_time",src,"__mv_src",urgency,"__mv_urgency"',
      '1772334000,203.0.113.1,,critical,',
      '1772334000,"203.0.113.2\n203.0.113.3","$203.0.113.2$;$203.0.113.3$",low,',
      '1772334000,"2001:db8::7",,medium,',
    ].join('\n')
    const { code, said } = await run(payload(csv))
    assert.deepEqual([code, said], [0, 'INFO stored=3 repeats=0 ignored=0 refused=0\n'])
    assert.deepEqual((await attackers()).sort(), [
      '2001:db8::7',
      '203.0.113.1',
      '203.0.113.2',
      '203.0.113.3',
    ])
    const states = async (target: string) => (await blocks(target)).map(({ state }) => state)
    assert.deepEqual(await states('203.0.113.1'), ['issued'])
    assert.deepEqual(await states('2001:db8::/64'), ['waiting'])
    assert.deepEqual(await states('203.0.113.2'), ['noted'])
  })

  test('sends a run again without a second alert: the run and the row are its id', async () => {
    const given = payload('src,count\n203.0.113.11,7\n203.0.113.12,7\n')
    assert.match((await run(given)).said, /stored=2 repeats=0/)
    const again = await run(given)
    assert.equal(again.code, 0)
    assert.match(again.said, /stored=0 repeats=2/)
    assert.match(
      (await run(payload('src,count\n203.0.113.11,7\n'))).said,
      /stored=1/,
      'another run',
    )
  })

  test('looks for the attacker where the alert says', async () => {
    await run(payload('src,far\n203.0.113.21,203.0.113.22\n', { field: 'far' }))
    const found = await attackers()
    assert.ok(found.includes('203.0.113.22') && !found.includes('203.0.113.21'))
  })

  test('keeps neither the key of the session nor what was typed into the form', async () => {
    await run(payload('src\n203.0.113.23\n', { field: 'src', note: 'typed-in' }))
    const { text } = await service.ask('GET', '/v1/alerts?attacker=203.0.113.23')
    assert.match(text, /Brute force/)
    assert.ok(!/session-key-1|session_key|typed-in/.test(text))
  })

  test('reads every letter, whatever language the machine is set to', async () => {
    const given = payload(
      'src,user\n203.0.113.24,Zoë\n',
      {},
      { search_name: 'Anmeldung fällt auf' },
    )
    assert.equal((await run(given)).code, 0)
    const { text } = await service.ask('GET', '/v1/alerts?attacker=203.0.113.24')
    assert.match(text, /"user":"Zoë"/)
    assert.match(text, /"name":"Anmeldung fällt auf"/)
  })

  test('takes the first row where there is no file of results', async () => {
    assert.match((await run(payload(undefined))).said, /stored=1/)
    assert.ok((await attackers()).includes('203.0.113.99'))
  })

  test('says that there is nothing where a result is empty', async () => {
    assert.deepEqual(await run(payload('src\n')), { code: 0, said: 'INFO no rows\n' })
  })

  test('sends many rows in portions, and tells as an error what is above the limit', async () => {
    setLocal({ ...setup, most_rows: '1200' })
    const rows = Array.from({ length: 1_201 }, (_, n) => `192.0.2.${n % 250},${n}`)
    const { code, said } = await run(payload(`src,n\n${rows.join('\n')}\n`))
    assert.equal(code, 1)
    assert.match(said, /^ERROR more than 1200 rows/)
    assert.deepEqual(
      [...said.matchAll(/stored=(\d+)/g)].map(([, n]) => n),
      ['500', '500', '200'],
    )
  })

  test('tells a row that is refused by its number, and the others are taken', async () => {
    const many = Array.from({ length: 300 }, (_, n) => `2001:db8::${n.toString(16)}`).join('\n')
    const { code, said } = await run(
      payload(`src,n\n203.0.113.31,1\n"${many}",2\n203.0.113.32,3\n`),
    )
    assert.equal(code, 1)
    assert.match(said, /stored=2 .*refused=1\nERROR row 2: .*300 attackers; send at most 256/)
  })

  describe('that blocks at once', () => {
    const block = (csv: string, more: object = {}) =>
      payload(csv, { mode: 'block', length: '2h', ...more })

    test('orders one block for each address, and none twice for one run', async () => {
      const given = block('src\n203.0.113.41\n203.0.113.42\n203.0.113.41\n')
      const { code, said } = await run(given)
      assert.equal(code, 0, said)
      const again = await run(given)
      assert.equal(again.code, 0)
      assert.match(again.said, /203\.0\.113\.41: this run has its decision d-/)
      const [one, ...more] = await blocks('203.0.113.41')
      assert.deepEqual(more, [])
      assert.equal(one?.length_s, 7_200)
      assert.match(one?.note ?? '', /^Splunk alert Brute force \(scheduler__/)
    })

    test('tells what is protected and blocks the rest', async () => {
      const { code, said } = await run(block('src\n198.51.100.65\n203.0.113.43\n'))
      assert.equal(code, 1)
      assert.match(said, /ERROR 198\.51\.100\.65 is not blocked: Cordon answered 409/)
      assert.equal((await blocks('203.0.113.43')).length, 1)
    })

    test('takes no more addresses than an administrator allows', async () => {
      const { code, said } = await run(
        block('src\n203.0.113.51\n203.0.113.52\n203.0.113.53\n203.0.113.54\n'),
      )
      assert.equal(code, 1)
      assert.match(said, /ERROR 4 addresses, of which 3 are blocked/)
      assert.equal((await blocks('203.0.113.54')).length, 0)
    })

    test('with a name in place of an address blocks nobody, and says so', async () => {
      const { code, said } = await run(block('src\nhost-1.example.org\n'))
      assert.equal(code, 1)
      assert.match(said, /WARN no address in/)
    })

    test('needs a token that may: without one it blocks nobody', async () => {
      setLocal({ ...setup, review_token_file: join(dir, 'token') })
      const { code, said } = await run(block('src\n203.0.113.44\n'))
      assert.equal(code, 1)
      assert.match(said, /203\.0\.113\.44 is not blocked: Cordon answered 403/)
      assert.equal((await blocks('203.0.113.44')).length, 0)
    })
  })

  describe('and when something is wrong', () => {
    const row = 'src\n203.0.113.61\n'
    async function standIn(answer: RequestListener, server = createServer(answer)) {
      await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
      const { port } = server.address() as AddressInfo
      return { port, server, close: () => new Promise((done) => server.close(done)) }
    }

    test('a busy service is asked again, as late as it says', async () => {
      const asked: number[] = []
      const busy = await standIn((_, response) => {
        asked.push(Date.now())
        response.writeHead(asked.length === 1 ? 503 : 200, { 'retry-after': '2' })
        const taken = { stored: 1, repeats: 0, ignored: 0, refused: 0, items: [] }
        response.end(
          JSON.stringify(asked.length === 1 ? { detail: 'busy', remedy: 'wait' } : taken),
        )
      })
      setLocal({ ...setup, url: `http://127.0.0.1:${busy.port}` })
      const { code, said } = await run(payload(row))
      await busy.close()
      assert.equal(code, 0)
      assert.match(said, /^WARN Cordon answered 503: busy; wait; tried again in 2s\nINFO stored=1/)
      assert.ok((asked[1] ?? 0) - (asked[0] ?? 0) >= 1_900)
    })

    test('a service that asks for more time than there is, is given up in time', async () => {
      const busy = await standIn((_, response) => {
        response.writeHead(429, { 'retry-after': '600' }).end()
      })
      setLocal({ ...setup, url: `http://127.0.0.1:${busy.port}` })
      const { code, said } = await run(payload(row))
      await busy.close()
      assert.equal(code, 2)
      assert.match(said, /ERROR Cordon answered 429: .*given up/)
    })

    test('an answer that is lost makes neither a second alert nor a second block', async () => {
      let lost = 0
      const losing = await standIn(async (request, response) => {
        let body = ''
        for await (const piece of request.setEncoding('utf8')) body += piece
        const { method = '', headers } = request
        const answer = await fetch(`${url}${request.url}`, {
          method,
          headers: { authorization: headers.authorization ?? '' },
          ...(method === 'POST' && { body: Buffer.from(body) }),
        })
        const text = await answer.text()
        if (method === 'POST' && lost++ % 2 === 0) return void response.destroy()
        response.writeHead(answer.status).end(text)
      })
      setLocal({ ...setup, url: `http://127.0.0.1:${losing.port}` })
      const sent = await run(payload('src\n203.0.113.71\n'))
      lost = 0
      const blocked = await run(payload('src\n203.0.113.72\n', { mode: 'block', length: '1h' }))
      await losing.close()
      assert.deepEqual([sent.code, blocked.code], [0, 0], sent.said + blocked.said)
      assert.match(sent.said, /^WARN cannot reach Cordon.*\nINFO stored=0 repeats=1/)
      assert.match(blocked.said, /^WARN cannot reach Cordon.*\nINFO .* this run has its decision/)
      assert.equal((await blocks('203.0.113.72')).length, 1)
    })

    test('a service that is silent is given up before Splunk ends the script', async () => {
      const silent = await standIn(() => {})
      setLocal({ ...setup, url: `http://127.0.0.1:${silent.port}` })
      const hasty = join(dir, 'cordon_block/bin/hasty.py')
      writeFileSync(hasty, read('bin/cordon_block.py').replace(/^BUDGET = \d+$/m, 'BUDGET = 1'))
      const { code, said } = await run(payload(row), '--execute', hasty)
      silent.server.closeAllConnections()
      await silent.close()
      assert.equal(code, 2)
      assert.match(said, /^ERROR cannot reach Cordon: .*timed out; given up\n$/)
    })

    test('a service that does not prove who it is gets no token, and one of an own authority does', async () => {
      const tls = await ownCertificate()
      const asked: string[] = []
      const answer: RequestListener = (request, response) => {
        asked.push(request.headers.authorization ?? '')
        const taken = { stored: 1, repeats: 0, ignored: 0, refused: 0, items: [] }
        response.end(JSON.stringify(taken))
      }
      const { port, close } = await standIn(answer, createTlsServer(tls, answer))
      const ca = join(dir, 'ca.pem')
      writeFileSync(ca, tls.cert)
      setLocal({ ...setup, url: `https://127.0.0.1:${port}` })
      const untrusted = await run(payload(row))
      assert.deepEqual([untrusted.code, asked.length], [2, 0])
      assert.match(untrusted.said, /^ERROR Cordon did not prove who it is .*: set ca_file\n$/)
      setLocal({ ...setup, url: `https://127.0.0.1:${port}`, ca_file: ca })
      assert.equal((await run(payload(row))).code, 0)
      await close()
      assert.equal(asked.length, 1)
    })

    test('a redirect does not get the token', async () => {
      const asked: string[] = []
      const other = await standIn((request, response) => {
        asked.push(request.url ?? '')
        response.writeHead(302, { location: `${url}/v1/alerts/splunk` }).end()
      })
      setLocal({ ...setup, url: `http://127.0.0.1:${other.port}` })
      const { code, said } = await run(payload(row))
      await other.close()
      assert.deepEqual([code, asked], [2, ['/v1/alerts/splunk']])
      assert.match(said, /ERROR Cordon answered 302/)
    })

    for (const [what, local, said] of [
      ['no address of Cordon', { url: 'cordon' }, /set url in local\/cordon_block\.conf/],
      ['an address in the clear', { url: 'http://192.0.2.1:8055' }, /use https/],
      ['a token file that is gone', { token_file: '/nowhere/token' }, /cannot read token_file/],
      ['an authority that is gone', { ca_file: '/nowhere/ca.pem' }, /cannot read ca_file/],
      ['no token in Splunk', { token_file: '' }, /Splunk gives no token of cordon_block/],
    ] as const)
      test(`${what} is told with what to do, and nothing is sent`, async () => {
        setLocal({ ...setup, ...local })
        const ran = await run(payload(row))
        assert.equal(ran.code, 2)
        assert.match(ran.said, said)
      })

    test('a token that is not known is told once and not tried again', async () => {
      writeFileSync(join(dir, 'wrong'), 'cordon_wrong')
      setLocal({ ...setup, token_file: join(dir, 'wrong') })
      const ran = await run(payload(row))
      assert.equal(ran.code, 2)
      assert.match(ran.said, /^ERROR Cordon answered 401: .*\n$/)
      assert.ok(!ran.said.includes('cordon_wrong'))
    })

    test('an alert cannot send the token elsewhere: the address is that of the app', async () => {
      const asked: string[] = []
      const thief = await standIn((request, response) => {
        asked.push(request.url ?? '')
        response.end()
      })
      const given = { url: `http://127.0.0.1:${thief.port}`, 'param.url': 'x' }
      const { said } = await run(payload(row, given))
      await thief.close()
      assert.deepEqual(asked, [])
      assert.match(said, /stored=1/)
    })

    test('a token that Splunk keeps is asked for on this machine only, and the key of the session goes nowhere else', async () => {
      const tls = await ownCertificate()
      const asked: string[] = []
      const splunkd: RequestListener = (request, response) => {
        asked.push(`${request.headers.authorization} ${request.url}`)
        const content = { clear_password: readFileSync(join(dir, 'token'), 'utf8') }
        response.end(JSON.stringify({ entry: [{ content }] }))
      }
      const { port, close } = await standIn(splunkd, createTlsServer(tls, splunkd))
      setLocal({ ...setup, token_file: '' })
      const kept = await run(payload(row, {}, { server_uri: `https://127.0.0.1:${port}` }))
      await close()
      assert.equal(kept.code, 0, kept.said)
      assert.deepEqual(asked, [
        'Splunk session-key-1 /servicesNS/nobody/cordon_block/storage/passwords/cordon_block%3Atoken%3A?output_mode=json',
      ])
      const far = await run(payload(row, {}, { server_uri: 'https://192.0.2.1:8089' }))
      assert.equal(far.code, 2)
      assert.match(far.said, /splunkd is not on this machine/)
    })

    test('what is no input of Splunk, and a start by hand, are told', async () => {
      for (const input of ['', '<xml/>', '[]', '{']) {
        const { code, said } = await run(input)
        assert.equal(code, 2)
        assert.match(said, /^FATAL standard input/)
      }
      assert.match((await run('', '--help')).said, /^FATAL Splunk starts this as/)
    })

    test('a file of results that is cut is told, and what is typed makes no line of the log', async () => {
      const given = payload(row)
      const { results_file }: { results_file: string } = JSON.parse(given)
      writeFileSync(results_file, gzipSync(row).subarray(0, 12))
      const { code, said } = await run(given)
      assert.equal(code, 2)
      assert.match(said, /^ERROR EOFError/)
      const typed = await run(payload(row, { mode: 'x\nINFO stored=9' }))
      assert.equal(typed.said, 'ERROR mode is alert or block, not x INFO stored=9\n')
    })
  })
})
