/** Settings of Splunk are tried before they are needed: each thing by itself, with what to do, and nothing is changed. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, beforeEach, describe, test } from 'node:test'
import type { Finding } from '#contract/connector.ts'
import { connector } from '../../connectors/splunk/connector.ts'
import { openSplunk } from '../../connectors/splunk/export.ts'
import { Settings } from '../../connectors/splunk/settings.ts'
import { tryOut } from '../../connectors/splunk/try-out.ts'
import { splunkWorld, startSplunk } from '../doubles/splunk.ts'
import { hecWorld, startHec } from '../doubles/splunk-hec.ts'
import { load } from './samples.ts'

const now = Date.UTC(2026, 6, 1)
const clock = { now: () => now, pause: async () => {} }
const stop = AbortSignal.timeout(120_000)

const world = splunkWorld()
const hec = hecWorld()
const [head, collector] = [startSplunk(world), startHec(hec)]
after(async () => {
  await (await head).close()
  await (await collector).close()
})
beforeEach(() => {
  Object.assign(world, splunkWorld())
  Object.assign(hec, hecWorld())
})

async function settingsOf(more: object = {}): Promise<Settings> {
  return Settings.parse({
    host: '127.0.0.1',
    port: (await head).port,
    security: 'none',
    token: 'token-1',
    search: 'index=main',
    hec_url: (await collector).url,
    hec_token: hec.token,
    ...more,
  })
}
async function findings(more: object = {}, environment = {}): Promise<Finding[]> {
  return tryOut(await settingsOf(more), clock, environment, stop)
}
/** The last finding: what is tried after it depends on it. */
async function failure(more: object = {}) {
  const last = (await findings(more)).at(-1)
  assert.ok(last && 'problem' in last, JSON.stringify(last))
  assert.ok(last.problem.remedy)
  return { what: last.what, code: last.problem.code, remedy: last.problem.remedy }
}
function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'HS512' })}.${part(claims)}.signature`
}

describe('the search head', () => {
  const alone = { hec_url: undefined }

  test('is well where everything that is named is there, and only reads are sent', async () => {
    world.things['apps/local/soc'] = { disabled: false }
    world.things['/servicesNS/nobody/soc/saved/searches/Brute force / SSH'] = { disabled: false }
    world.things['data/indexes/soc'] = {}
    const more = { app: 'soc', saved_searches: ['Brute force / SSH'], hec_index: 'soc' }
    const found = await findings(more)
    assert.deepEqual(
      found.map(({ what }) => what),
      [
        `search head 127.0.0.1, port ${(await head).port}`,
        'account',
        'app soc',
        'saved search Brute force / SSH',
        'index soc',
        'event collector',
        'token of the event collector',
        'indexer acknowledgement',
      ],
    )
    assert.ok(found.every((finding) => 'found' in finding))
    assert.ok('found' in (found[0] ?? {}) && JSON.stringify(found[0]).includes('9.4.1'))
    assert.deepEqual(hec.taken, [])
    assert.ok(world.asked.every(({ form }) => Object.keys(form).length === 0))
  })

  test('that nobody reaches is told once, and nothing that needs it is tried', async () => {
    const { port, close } = await startSplunk(world)
    await close()
    const found = await findings({ port, saved_searches: ['Brute force'], ...alone })
    assert.equal(found.length, 1)
    assert.ok(found[0] && 'problem' in found[0])
    assert.equal(found[0].problem.code, 'service_unreachable')
  })

  test('is not who answers with a page, such as Splunk Web', async () => {
    const web = createServer((_, response) => response.end('<html>Sign in</html>'))
    await new Promise<void>((up) => web.listen(0, '127.0.0.1', up))
    const address = web.address()
    assert.ok(typeof address === 'object' && address !== null)
    const told = await failure({ port: address.port, ...alone })
    web.close()
    assert.equal(told.code, 'not_found')
    assert.match(told.remedy, /8089/)
  })

  test('that does not let the token in says whether it expired, and when', async () => {
    const expired = jwt({ exp: now / 1_000 - 60 })
    const told = await failure({ token: expired, ...alone })
    assert.equal(told.code, 'token_expired')
    assert.match(told.remedy, /make a new one/)
    const other = await failure({ token: jwt({ exp: now / 1_000 + 60 }), ...alone })
    assert.equal(other.code, 'unauthenticated')
    assert.match(other.remedy, /disabled/)
    assert.equal((await failure({ token: 'no-jwt', ...alone })).code, 'unauthenticated')
    const password = await failure({ token: undefined, user: 'u', password: 'p', ...alone })
    assert.match(password.remedy, /locked/)
  })

  test('that is named without any search is of no use, and it is said', async () => {
    const told = await failure({ ...alone, search: undefined })
    assert.deepEqual([told.what, told.code], ['searches', 'setting_invalid'])
    assert.match(told.remedy, /CORDON_SPLUNK_SAVED_SEARCHES or CORDON_SPLUNK_SEARCH;/)
  })

  test('says when a good token ends', async () => {
    const token = jwt({ exp: now / 1_000 + 3 * 86_400 })
    world.authorization = `Bearer ${token}`
    const account = (await findings({ token, ...alone }))[1]
    assert.ok(account && 'found' in account)
    assert.equal(
      account.found,
      'cordon is let in; its token ends at 2026-07-04T00:00:00.000Z, in 3 days',
    )
  })

  test('says it of a search that runs, too: the state is expired and not just refused', async () => {
    const settings = await settingsOf({ token: jwt({ exp: now / 1_000 - 60 }) })
    const rows = openSplunk(settings, clock)({ spl: 'search x', earliest: 0, latest: now }, stop)
    await assert.rejects(Array.fromAsync(rows), {
      code: 'token_expired',
      message: 'the token of splunk expired at 2026-06-30T23:59:00.000Z',
    })
  })

  for (const [what, more, code, remedy] of [
    ['app soc', { app: 'soc' }, 'not_found', /folder/],
    ['saved search Brute force', { saved_searches: ['Brute force'] }, 'not_found', /shared/],
  ] as const)
    test(`${what} that the account does not see is told`, async () => {
      const told = await failure({ ...more, ...alone })
      assert.deepEqual([told.what, told.code], [what, code])
      assert.match(told.remedy, remedy)
    })

  test('an app that is disabled, and an account that may not search, are told', async () => {
    world.things['apps/local/soc'] = { disabled: true }
    assert.match((await failure({ app: 'soc', ...alone })).remedy, /enable/)
    world.things['authentication/current-context'] = { username: 'u', capabilities: ['rest_get'] }
    assert.equal((await failure(alone)).code, 'forbidden')
  })

  test('need not know an index that indexers have', async () => {
    const index = (await findings({ hec_index: 'elsewhere' })).find(({ what }) =>
      /index /.test(what),
    )
    assert.ok(index && 'found' in index)
    assert.match(index.found, /does not know it/)
  })
})

describe('the event collector', () => {
  const alone = { host: undefined }

  for (const [change, what, code, remedy] of [
    [{ unwell: true }, 'event collector', 'overloaded', /queues/],
    [{ disabled: true }, 'token of the event collector', 'unauthenticated', /enable it/],
    [{ token: 'another' }, 'token of the event collector', 'unauthenticated', /deleted/],
    [{ acknowledgement: false }, 'indexer acknowledgement', 'setting_invalid', /hec_acknowledge/],
  ] as const)
    test(`${Object.keys(change)}: ${what} is told, and nothing is written`, async () => {
      const settings = await settingsOf(alone)
      Object.assign(hec, change)
      const last = (await tryOut(settings, clock, {}, stop)).at(-1)
      assert.ok(last && 'problem' in last)
      assert.deepEqual([last.what, last.problem.code], [what, code])
      assert.match(last.problem.remedy ?? '', remedy)
      assert.deepEqual(hec.taken, [])
    })

  test('need not acknowledge where nobody waits for it', async () => {
    hec.acknowledgement = false
    const found = await findings({ ...alone, hec_acknowledge: false })
    assert.ok(found.every((finding) => 'found' in finding))
  })

  test('without a token is told before anybody is asked', async () => {
    const told = await failure({ ...alone, hec_token: undefined })
    assert.equal(told.code, 'setting_invalid')
    assert.deepEqual(hec.requests, [])
  })
})

test('where Splunk posts by itself there is nothing to try, and it is said', async () => {
  const [only, ...more] = (await connector.test?.(Settings.parse({}), stop)) ?? []
  assert.ok(only && 'found' in only)
  assert.deepEqual(more, [])
})

test('what was named is never told as its value: no finding holds a token or a password', async () => {
  hec.acknowledgement = false
  const told = JSON.stringify([
    ...(await findings({ token: 'secret-token' })),
    ...(await findings({ token: undefined, user: 'u', password: 'secret-password' })),
  ])
  assert.ok(!/secret-token|secret-password/.test(told))
  assert.ok(!told.includes(hec.token))
})

describe('of the twelve names of the script that this takes the place of', () => {
  const environment = {
    SPLUNK_HOST: 'splunk.example.org',
    SPLUNK_PORT: '8089',
    SPLUNK_USER: 'soar',
    SPLUNK_PASSWORD: 'one',
    VIRUSTOTAL_API_KEY: 'two',
    SMTP_SERVER: 'mail.example.org',
    SMTP_PORT: '587',
    SMTP_USER: 'cordon',
    SMTP_PASSWORD: 'three',
    SSH_HOST: 'router.example.org',
    SSH_USER: 'root',
    SSH_PASSWORD: 'four',
  }

  test('nine are understood by a connector each, and the three of SSH are told to have no use', async () => {
    const connectors = await Promise.all(['splunk', 'virustotal', 'email'].map(load))
    const understood = connectors.flatMap(({ environment: names = {} }) => Object.values(names))
    const found = await findings({}, environment)
    const last = found.at(-1)
    assert.ok(last && 'problem' in last)
    assert.equal(last.problem.code, 'unsupported')
    assert.match(last.problem.remedy ?? '', /cordon node enrol/)
    const told = last.what.split(', ')
    assert.deepEqual([...understood, ...told].sort(), Object.keys(environment).sort())
    assert.ok(!JSON.stringify(found).includes('router.example.org'))
  })

  test('SSH_HOST of somebody else is no business of ours', async () => {
    const found = await findings({}, { SSH_HOST: 'router.example.org', SPLUNK_HOST: '' })
    assert.ok(found.every((finding) => 'found' in finding))
  })
})
