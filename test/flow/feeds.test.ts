/** Lists that nodes enforce as a whole, as the service tells of them. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import jwt from 'jsonwebtoken'
import { readAddress } from '#contract/address.ts'
import { FeedsClaims, readFeedChunk } from '#contract/feed.ts'
import type { FeedReceipt, Heartbeat } from '#contract/receipt.ts'
import { ListSettings } from '../../actions/facts/lists/settings.ts'
import { enforcedLists } from '../../actions/flow/enforced-lists.ts'
import type { EnforcedList } from '../../actions/flow/feeds.ts'
import { readJournal } from '../../actions/store/journal.ts'
import { listen } from '../listening.ts'
import {
  openTestService,
  startOfTest,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

const hour = 3_600_000
const here = 'all:1:0:'
const networks = ['203.0.113.0/25', '203.0.113.200', '2001:db8:a::/48']

describe('a list that is enforced as a whole', () => {
  test('is signed once for its audience, with its end and its chunks', async (t) => {
    const { service } = await open(t, [listed('drop')])
    const [claims] = await told(service, ['all', 'node/web-01'])
    assert.deepEqual(
      claims?.feeds.map(({ feed, entries, not_after }) => [feed, entries, not_after]),
      [['drop', 3, startOfTest + 3 * hour]],
    )
    const [digest = ''] = claims?.feeds[0]?.chunks ?? []
    const text = await service.flow.feeds.chunk(['all'], 'drop', digest)
    assert.deepEqual(
      [...readFeedChunk(text, digest)].map((one) => one.text),
      networks,
    )
    assert.deepEqual(
      await service.flow.feeds.statements(['all']),
      await service.flow.feeds.statements(['all']),
      'the same text for every node',
    )
  })

  test('of many networks is cut into chunks of which each goes on after the one before', async (t) => {
    const many = Array.from({ length: 12_000 }, (_, i) => `198.18.${i >> 8}.${i & 255}`)
    const { service } = await open(t, [listed('drop', { networks: many })])
    const [claims] = await told(service, ['all'])
    assert.deepEqual([claims?.feeds[0]?.entries, claims?.feeds[0]?.chunks.length], [12_000, 3])
  })

  test('goes to the nodes of its audience only, over the stream and by digest', async (t) => {
    const { service, lists } = await open(t, [])
    const server = await listen(service)
    t.after(() => server.close())
    const [web, db] = [await service.enrol('web-01', ['web']), await service.enrol('db-01')]
    const follower = await server.follow(web, here)
    await follower.wait('hello')
    lists.push(listed('drop', { audience: ['group/web'] }))
    await service.flow.feeds.look()
    await follower.wait('feeds')
    const late = await server.follow(web, here)
    await late.wait('feeds')
    assert.equal(late.of('feeds')[0]?.data, follower.of('feeds')[0]?.data)
    assert.deepEqual(await told(service, ['all', 'node/db-01']), [])
    const [claims] = await told(service, ['group/web'])
    const path = `/v1/feeds/drop/${claims?.feeds[0]?.chunks[0]}`
    const got = await service.ask('GET', path, { token: web.bearer() })
    assert.equal(got.status, 200)
    assert.match(got.headers.get('cache-control') ?? '', /immutable/)
    assert.equal((await service.ask('GET', path, { token: db.bearer() })).status, 404)
    assert.equal((await service.ask('GET', path)).status, 403)
    late.close()
    follower.close()
  })

  test('that is confirmed gets a later end under a newer version, and no line in the journal', async (t) => {
    const { service, lists } = await open(t, [listed('drop')])
    const [before] = await told(service, ['all'])
    service.clock.now += 1_000
    lists[0] = listed('drop', { confirmed: startOfTest + 1_000 })
    await service.flow.feeds.look()
    assert.deepEqual(await told(service, ['all']), [before], 'a moment is not worth it')
    service.clock.now += hour
    lists[0] = listed('drop', { confirmed: startOfTest + hour })
    await service.flow.feeds.look()
    const [after] = await told(service, ['all'])
    assert.ok((after?.version ?? 0) > (before?.version ?? 0))
    assert.equal(after?.feeds[0]?.not_after, startOfTest + 4 * hour)
    assert.deepEqual(await journal(service), [['feed.publish', 'drop']])
  })

  test('is withdrawn when it is enforced no longer, and that is told also to who comes later', async (t) => {
    const { service, lists } = await open(t, [listed('drop')])
    lists.length = 0
    await service.flow.feeds.look()
    const [claims] = await told(service, ['all'])
    assert.deepEqual(claims?.feeds, [])
    assert.deepEqual(await journal(service), [
      ['feed.publish', 'drop'],
      ['feed.withdraw', 'drop'],
    ])
  })

  test('moves from one group to another', async (t) => {
    const { service, lists } = await open(t, [listed('drop', { audience: ['group/web'] })])
    lists[0] = listed('drop', { audience: ['group/mail'] })
    await service.flow.feeds.look()
    const [web, mail] = await told(service, ['group/web', 'group/mail'])
    assert.deepEqual([web?.feeds.length, mail?.feeds.length], [0, 1])
  })

  test('whose source is silent after a restart goes on until its end, and is not told longer', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-feeds-'))
    t.after(() => rmSync(dir, { recursive: true, force: true }))
    const service = await openTestService({ dir, enforced: () => [listed('drop')] })
    await service.flow.feeds.look()
    const [before] = await told(service, ['all'])
    await service.close()
    const silent: EnforcedList = { ...listed('drop'), content: undefined }
    const next = await open(t, [silent], { dir })
    assert.deepEqual(await told(next.service, ['all']), [before])
    next.service.clock.now += 3 * hour
    await next.service.flow.feeds.look()
    assert.deepEqual((await told(next.service, ['all']))[0]?.feeds, [])
    assert.deepEqual((await journal(next.service)).at(-1), ['feed.withdraw', 'drop'])
  })

  test('is signed anew before its statement is too old to be taken, under the same version', async (t) => {
    const { service } = await open(t, [listed('drop')])
    const [before] = await told(service, ['all'])
    service.clock.now += 2 * hour
    const [after] = await told(service, ['all'])
    assert.equal(after?.version, before?.version)
    assert.equal(after?.iat, (before?.iat ?? 0) + 7_200)
  })

  test('is shown with how each node stands to it, by what the node said of this version', async (t) => {
    const { service } = await open(t, [listed('drop')])
    const nodes = await Promise.all(['web-01', 'web-02'].map((name) => service.enrol(name)))
    const [claims] = await told(service, ['all'])
    const version = claims?.version ?? 0
    await service.flow.takeHeartbeat('web-01', heartbeat(version))
    await service.flow.takeHeartbeat('web-02', heartbeat(version - 1))
    assert.equal(nodes.length, 2)
    const { text } = await service.ask('GET', '/v1/feeds')
    const [shown] = JSON.parse(text).feeds
    assert.deepEqual(
      shown.nodes.map((one: { node: string; status: string }) => [one.node, one.status]),
      [
        ['web-01', 'applied'],
        ['web-02', 'unheard'],
      ],
    )
  })
})

test('that a node cannot enforce a list is in the journal once, however often it says so', async (t) => {
  const { service } = await open(t, [])
  await service.enrol('web-01')
  const said = heartbeat(7, { status: 'failed', code: 'kernel_refused', detail: 'the set is full' })
  await service.flow.takeHeartbeat('web-01', said)
  await service.flow.takeHeartbeat('web-01', said)
  assert.deepEqual(await journal(service), [['feed.failed', 'drop']])
})

test('the lists of the settings are enforced from when they are ready, as long as they are confirmed', () => {
  let ready = false
  let change = (_: string) => {}
  const settings = [
    { name: 'drop', enforce: true, audience: ['all'], interval: hour },
    { name: 'tor', enforce: false, audience: ['all'], interval: hour },
  ].map((one) => ListSettings.parse({ ...one, interval: '1h', file: '/none' }))
  const confirmed = '2026-03-01T03:00:00.000Z'
  const source = { name: 'drop', kind: 'list', state: 'ready', details: { confirmed } } as const
  const enforced = enforcedLists(
    {
      settings: () => settings,
      ready: () => ready,
      sources: () => [source],
      entries: () => networks.map(readAddress),
      onChange: (listener) => {
        change = listener
        return () => {}
      },
    },
    () => startOfTest + 1_000,
  )
  assert.deepEqual(
    enforced().map(({ name, content }) => [name, content]),
    [['drop', undefined]],
  )
  ready = true
  const [before] = enforced()
  assert.equal(before?.content?.confirmed, startOfTest)
  assert.equal([...(before?.content?.networks() ?? [])].length, 3)
  change('drop')
  assert.notEqual(enforced()[0]?.content?.version, before?.content?.version)
})

function listed(
  name: string,
  more: { networks?: string[]; audience?: string[]; confirmed?: number } = {},
): EnforcedList {
  const { networks: own = networks, audience = ['all'], confirmed = startOfTest } = more
  const content = { version: own.join(), confirmed, networks: () => own.map(readAddress) }
  return { name, audience, interval: hour, content }
}

async function open(t: TestContext, lists: EnforcedList[], options: TestServiceOptions = {}) {
  const service = await openTestService({ ...options, enforced: () => lists })
  t.after(() => service.close())
  await service.flow.feeds.look()
  return { service, lists }
}

async function told(service: TestService, audiences: string[]): Promise<FeedsClaims[]> {
  const [key] = service.flow.keys.published()
  if (!key) throw new Error('the service has no key')
  const { kty, crv, x, y } = key
  const publicKey = createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' })
  return (await service.flow.feeds.statements(audiences)).map((jws) =>
    FeedsClaims.parse(jwt.verify(jws, publicKey, { ignoreExpiration: true })),
  )
}

async function journal(service: TestService) {
  const lines = await readJournal(service.flow.store.read, { after: 0, limit: 100 })
  return lines
    .filter(({ action }) => action.startsWith('feed.'))
    .map(({ action, subject }) => [action, subject])
}

function heartbeat(version: number, more: Partial<FeedReceipt> = {}): Heartbeat {
  const at = startOfTest
  return {
    version: '1',
    backend: 'netlink',
    enforcing: true,
    cursor: '',
    claims: 0,
    elements: 0,
    clock_offset_ms: 0,
    started: at,
    events: [],
    feeds: [
      {
        ...{ audience: 'all', feed: 'drop', version, status: 'applied', entries: 3 },
        ...{ not_after: at, at },
        ...more,
      },
    ],
  }
}
