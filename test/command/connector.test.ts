/** `cordon connector list` and `test` against a real service, as a person at night reads them. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openService, temporaryFolder, type } from './terminal.ts'

const key = 'k3y-that-nobody-may-see'
const folder = temporaryFolder()
const file = join(folder.path, 'alerts.json')
const gone = join(folder.path, 'gone', 'eve.json')

/** As AbuseIPDB answers; `requests` are the addresses that it was asked for. */
const requests: string[] = []
let status = 200
const vendor = createServer((request, response) => {
  const address = new URL(request.url ?? '', 'http://x').searchParams.get('ipAddress') ?? ''
  requests.push(address)
  const report = { ipAddress: address, isWhitelisted: null, abuseConfidenceScore: 0 }
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ data: { ...report, totalReports: 0 } }))
})
/** Takes connections and never says a word. */
const silent = createTcpServer((socket) => socket.on('error', () => {}))

async function listen(server: Server | typeof silent): Promise<number> {
  server.listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  return (server.address() as AddressInfo).port
}

let open: Awaited<ReturnType<typeof openService>>
before(async () => {
  writeFileSync(file, '')
  const [asked, hook] = [await listen(vendor), await listen(silent)]
  open = await openService({
    wazuh: { files: [file] },
    suricata: { files: [gone] },
    abuseipdb: { api_key: key, base_url: `http://127.0.0.1:${asked}` },
    greynoise: {},
    slack: { url: `https://127.0.0.1:${hook}/services/T0SECRET`, timeout: '1500ms' },
    mattermost: { url: `http://127.0.0.1:${hook}/hooks/T0SECRET` },
  })
})
after(async () => {
  await open.close()
  vendor.close()
  silent.close()
  folder.remove()
})

describe('the list of connectors', () => {
  test('says of each what it is for and how each part of it fares', async () => {
    const { code, out } = await open.type('connector list')
    assert.equal(code, 0)
    assert.match(out, /^CONNECTOR +PRODUCT +PART +STATE +LAST +TAKEN +REFUSED +WAITING\n/)
    assert.match(out, /\nwazuh +Wazuh +POST \/v1\/alerts\/wazuh +ready +- +0 +- +-\n/)
    assert.match(out, new RegExp(`\nwazuh +Wazuh +wazuh:${file} +following +- +0 +0 +-\n`))
    assert.match(out, /\nabuseipdb +AbuseIPDB +look-ups +ready /)
    // What happened at the start may be on its way already.
    assert.match(out, /\nmattermost +Mattermost +notices +ready +- +- +- +\d+\n/)
  })

  test('tells of no way in where records are not taken', async () => {
    const { out } = await open.type('connector list')
    assert.doesNotMatch(out, /POST \/v1\/alerts\/(slack|abuseipdb)/)
    const { connectors } = JSON.parse((await open.type('connector list --json')).out)
    const of = (name: string) => connectors.find((one: { name: string }) => one.name === name)
    assert.deepEqual([of('slack').path, of('slack').abilities], [undefined, ['notices']])
    assert.deepEqual(
      [of('wazuh').path, of('wazuh').abilities],
      ['/v1/alerts/wazuh', ['records', 'sources']],
    )
  })

  test('says below what is wrong, and what to do about it', async () => {
    const { out } = await open.type('connector list')
    assert.match(
      out,
      /\ngreynoise, look-ups: greynoise has no key, so it is never asked\n {2}hint: set CORDON_GREYNOISE_API_KEY/,
    )
  })

  test('counts what came, and says when', async () => {
    const stdin = JSON.stringify({ id: 'c1', attacker: '203.0.113.7', rule: 'x', severity: 10 })
    await open.type('alert send - --connector webhook', { stdin })
    const { out } = await open.type('connector list')
    assert.match(out, /\nwebhook +Any webhook +POST \/v1\/alerts\/webhook +ready +(now|.* ago) +1 /)
  })
})

describe('a test of a connector', () => {
  test('that finds nothing wrong is a line for each finding and exit code 0', async () => {
    const { code, out, err } = await open.type('connector test wazuh')
    assert.deepEqual([code, err], [0, ''])
    const [first, ...rest] = out.trimEnd().split('\n')
    assert.match(first ?? '', new RegExp(`^ok {6}file ${file} +may be read; 0 bytes`))
    assert.ok(
      rest.every((line) => line.startsWith('ok      ')),
      out,
    )
    assert.match(out, /ok {6}POST \/v1\/alerts\/wazuh +ready; .*cordon token create wazuh --scope/)
    assert.match(out, new RegExp(`ok {6}wazuh:${file} +following; 0 taken`))
  })

  test('that finds something wrong says what to do, and is exit code 1', async () => {
    const { code, out } = await open.type('connector test suricata')
    assert.equal(code, 1)
    assert.match(
      out,
      new RegExp(`^failed {2}file ${gone} +there is no file ${gone}\n +hint: check`),
    )
  })

  test('has one shape in JSON, with the problem whole', async () => {
    const { code, out } = await open.type('connector test suricata --json')
    assert.equal(code, 1)
    const { connector, works, findings } = JSON.parse(out)
    assert.deepEqual([connector, works], ['suricata', false])
    assert.equal(findings[0].problem.code, 'not_found')
    assert.ok(findings[0].problem.remedy)
  })

  test('asks a provider once about an address that nobody has, and says that the quota pays', async () => {
    requests.length = 0
    const { code, out } = await open.type('connector test abuseipdb')
    assert.equal(code, 0, out)
    assert.deepEqual(requests, ['192.0.2.1'])
    assert.match(out, /^ok {6}look-up at 127\.0\.0\.1:\d+ .*one request of the quota was used\n/)
    assert.ok(!out.includes(key))
  })

  test('of a provider that refuses the key says so', async (t) => {
    status = 401
    t.after(() => {
      status = 200
    })
    const { code, out } = await open.type('connector test abuseipdb')
    assert.equal(code, 1)
    assert.match(out, /^failed {2}look-up at .*abuseipdb refuses the key \(status 401\)\n +hint: /)
    assert.ok(!out.includes(key))
  })

  test('of a provider without a key asks nobody', async () => {
    const { code, out } = await open.type('connector test greynoise')
    assert.equal(code, 1)
    assert.match(out, /^failed {2}key .*greynoise has no key/)
  })

  test('of a channel sends nothing, and says how one notice is sent', async () => {
    const { code, out } = await open.type('connector test mattermost')
    assert.equal(code, 0, out)
    assert.match(out, /"cordon notice test mattermost" sends one\n/)
    assert.ok(!out.includes('T0SECRET'))
  })

  test('of a connector that only takes records says where and with which token', async () => {
    const { code, out } = await open.type('connector test webhook')
    assert.equal(code, 0)
    assert.match(out, /^ok {6}POST \/v1\/alerts\/webhook {2}ready; \d+ taken since the start, /)
  })

  test('that takes long says that it is at it, where no terminal is on one line', async () => {
    const { code, out, err } = await open.type('connector test slack')
    assert.equal(code, 1)
    assert.equal(err, 'testing slack …\n')
    assert.match(out, /failed {2}host +127\.0\.0\.1:\d+ did not answer in time/)
    assert.ok(!out.includes('T0SECRET'))
  })

  test('that does not run names the nearest, and how it would run', async () => {
    const { code, err } = await open.type('connector test wazu')
    assert.equal(code, 1)
    assert.match(
      err,
      /^error: no connector wazu runs here\nhint: did you mean wazuh\? Else set it in connectors/,
    )
    const far = await open.type('connector test something-else')
    assert.match(far.err, /\nhint: running are .*wazuh.*; set it in connectors/)
  })

  test('is for administrators', async () => {
    const { out } = await open.type('token create looker --scope review')
    const environment = { CORDON_TOKEN: out.trim() }
    const { code, err } = await open.type('connector test wazuh', { environment })
    assert.equal(code, 1)
    assert.match(err, /it needs admin/)
    assert.equal((await open.type('connector list', { environment })).code, 0)
  })

  test('needs the name of one', async () => {
    assert.equal((await type(['connector', 'test'])).code, 2)
  })
})
