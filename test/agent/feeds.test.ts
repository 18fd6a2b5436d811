/** Lists that are enforced as a whole, with a kernel that is a Map and a service that is another. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import type { Feeds } from '../../agent/feeds.ts'
import { listNode } from './list-node.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { feedStatement, list, makeKey, serviceKey, today } from './signer.ts'

const parent = mkdtempSync(join(tmpdir(), 'cordon-feeds-'))
const running: Feeds[] = []
after(async () => {
  for (const feeds of running) await feeds.stop()
  rmSync(parent, { recursive: true })
})
let count = 0
const v1 = today
const v2 = today + 1_000

const drop = ['203.0.113.0/25', '203.0.113.200', '2001:db8:a::/48']

describe('a list that is enforced as a whole', () => {
  test('is in the kernel until its end, and the node says so once', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    assert.deepEqual(node.firewall.listed(), ['2001:db8:a::/48', '203.0.113.0/25', '203.0.113.200'])
    assert.equal(node.firewall.feeds.a.get('203.0.113.200'), 3_600_000)
    assert.deepEqual(
      node.feeds.receipts.map(({ feed, version, status, entries }) => [
        feed,
        version,
        status,
        entries,
      ]),
      [['drop', v1, 'applied', 3]],
    )
    assert.equal(node.problem, undefined)
  })

  test('is replaced as a whole: the new one is there before the old one goes', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    node.firewall.feedSteps.length = 0
    await node.enforce(v2, list('drop', v2, ['198.51.100.0/24', '203.0.113.200']))
    assert.deepEqual(node.firewall.feedSteps, ['fill b', 'empty a'])
    assert.deepEqual(node.firewall.listed(), ['198.51.100.0/24', '203.0.113.200'])
  })

  test('gets a later end without being fetched again', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    const asked = node.asked.length
    await node.enforce(v2, list('drop', v2, drop, { not_after: today + 7_200_000 }))
    assert.equal(node.asked.length, asked)
    assert.equal(node.firewall.feeds.b.get('203.0.113.200'), 7_200_000)
  })

  test('that the newest statement does not name is withdrawn at once, and what other lists hold stays', async () => {
    const node = begin()
    const tor = list('tor', v1, ['203.0.113.200', '203.0.113.201'])
    await node.enforce(v1, list('drop', v1, drop), tor)
    await node.enforce(v2, tor)
    assert.deepEqual(node.firewall.listed(), ['203.0.113.200/31'])
    assert.deepEqual(
      node.feeds.receipts.map(({ feed }) => feed),
      ['tor'],
    )
    await node.enforce(v2 + 1)
    assert.deepEqual(node.firewall.listed(), [])
    assert.deepEqual(node.feeds.receipts, [])
  })

  test('is withdrawn also while another list cannot be fetched', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    const absent = list('tor', v2, ['203.0.113.201'])
    await node.feeds.take(feedStatement('all', v2, [absent.named]))
    await node.feeds.settled()
    assert.deepEqual(node.firewall.listed(), [])
  })

  test('holds an address until the latest end of the lists that name it', async () => {
    const node = begin()
    await node.enforce(
      v1,
      list('long', v1, ['203.0.113.64/26'], { not_after: today + 9_000_000 }),
      list('short', v1, ['203.0.113.0/24']),
    )
    assert.deepEqual(
      [...node.firewall.feeds.a, ...node.firewall.feeds.b],
      [
        ['203.0.113.0/26', 3_600_000],
        ['203.0.113.64/26', 9_000_000],
        ['203.0.113.128/25', 3_600_000],
      ],
    )
  })

  test('never holds what the node protects: that is cut out, the rest stays, and it is said', async () => {
    const node = begin()
    node.here.push({ address: readAddress('203.0.113.10'), why: 'default gateway' })
    await node.enforce(v1, list('drop', v1, ['203.0.113.8/30', '203.0.113.16/30']))
    assert.deepEqual(node.firewall.listed(), ['203.0.113.11', '203.0.113.16/30', '203.0.113.8/31'])
    assert.match(node.feeds.receipts[0]?.detail ?? '', /protected: default gateway/)
  })

  test('never holds loopback, multicast or a network as wide as a continent, whoever signed', async () => {
    const node = begin()
    await node.enforce(
      v1,
      list('drop', v1, ['64.0.0.0/3', '127.0.0.0/8', '203.0.113.1', '224.0.0.0/8']),
    )
    assert.deepEqual(node.firewall.listed(), ['203.0.113.1'])
    assert.equal(node.feeds.receipts[0]?.entries, 3)
    assert.match(node.feeds.receipts[0]?.detail ?? '', /1 networks wider/)
  })

  test('of more than a quarter of all addresses is refused', async () => {
    const node = begin()
    const many = Array.from({ length: 70 }, (_, i) => `${i + 20}.0.0.0/8`)
    await node.enforce(v1, list('all', v1, many))
    assert.deepEqual(node.firewall.listed(), [])
    assert.deepEqual(node.told(), [['refused', 'too_wide']])
  })

  test('of more than a quarter of all IPv6 addresses in use is refused as well', async () => {
    const node = begin()
    const nets = Array.from({ length: 16_385 }, (_, i) => sixes(i))
    await node.enforce(v1, list('most', v1, nets))
    assert.deepEqual(node.firewall.listed(), [])
    assert.deepEqual(node.told(), [['refused', 'too_wide']])
  })

  test('above the ceiling is refused before anything of it is fetched, and the others stay', async () => {
    const node = begin({ mostEntries: 4 })
    const small = list('drop', v1, drop)
    await node.enforce(v1, small)
    node.asked.length = 0
    await node.enforce(v2, small, list('huge', v2, ['198.51.100.1', '198.51.100.3']))
    assert.deepEqual(node.asked, [])
    assert.equal(node.firewall.listed().length, 3)
    assert.deepEqual(node.told(), [
      ['applied', undefined],
      ['refused', 'ceiling_reached'],
    ])
  })

  test('is counted as planned by a node in dry run', async () => {
    const firewall = Object.assign(new MemoryFirewall(), { enforcing: false })
    const node = begin({ firewall })
    await node.enforce(v1, list('drop', v1, drop))
    assert.deepEqual(node.told(), [['planned', undefined]])
  })

  test('ends by itself, and the node says so', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    node.clock.now += 3_600_000
    assert.deepEqual(node.told(), [['ended', undefined]])
  })
})

describe('nothing is changed', () => {
  test('by a list of which one chunk is missing; when it is there the list is taken', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    const large = Array.from({ length: 6_000 }, (_, i) => `198.51.${i >> 8}.${i & 255}`)
    const next = list('drop', v2, large)
    const [first, last] = [...next.chunks]
    if (!first || !last) throw new Error('two chunks were expected')
    node.chunks.set(...first)
    await node.feeds.take(feedStatement('all', v2, [next.named]))
    await node.feeds.settled()
    assert.equal(node.firewall.listed().length, 3)
    assert.deepEqual(node.told(), [['failed', 'snapshot_incomplete']])
    assert.match(node.feeds.receipts[0]?.detail ?? '', new RegExp(`version ${v1} stays`))
    node.chunks.set(...last)
    node.asked.length = 0
    await node.feeds.take(feedStatement('all', v2, [next.named]))
    await node.feeds.settled()
    assert.deepEqual(node.asked, [`/v1/feeds/drop/${last[0]}`], 'the chunk that it has is kept')
    assert.deepEqual(node.told(), [['applied', undefined]])
    assert.equal(node.problem, undefined)
  })

  for (const [what, spoil] of [
    ['was changed on its way', (text: string) => text.replace('203.0.113.200', '203.0.113.201')],
    ['is not JSON', () => '<html>'],
  ] as const)
    test(`by a chunk that ${what}`, async () => {
      const node = begin()
      const { named, chunks } = list('drop', v1, drop)
      for (const [digest, text] of chunks) node.chunks.set(digest, spoil(text))
      await node.feeds.take(feedStatement('all', v1, [named]))
      await node.feeds.settled()
      assert.deepEqual(node.firewall.listed(), [])
      assert.deepEqual(node.told(), [['failed', 'snapshot_incomplete']])
    })

  const { named } = list('drop', v2, drop)
  for (const [what, statement, code] of [
    ['older than the one that it has', feedStatement('all', v1 - 1, []), undefined],
    ['of another audience', feedStatement('node/db-02', v2, [named]), 'envelope_audience'],
    [
      'signed by another key',
      feedStatement('all', v2, [], { key: makeKey() }),
      'envelope_key_unknown',
    ],
    [
      'of another issuer',
      feedStatement('all', v2, [], { iss: 'https://x.example' }),
      'envelope_issuer',
    ],
    ['too old', feedStatement('all', v2, [], { exp: today / 1_000 - 1 }), 'envelope_expired'],
    ['counted far ahead', feedStatement('all', v2 + 1e10, []), 'envelope_malformed'],
    [
      'with too few chunks',
      feedStatement('all', v2, [{ ...named, entries: 9_000 }]),
      'envelope_malformed',
    ],
    [
      'that is another kind of token',
      feedStatement('all', v2, []).replace(/^[^.]*/, headOf('cordon-head+jwt')),
      'envelope_malformed',
    ],
  ] as const)
    test(`by a statement ${what}`, async () => {
      const node = begin()
      await node.enforce(v1, list('drop', v1, drop))
      await node.feeds.take(statement)
      await node.feeds.settled()
      assert.equal(node.firewall.listed().length, 3)
      assert.deepEqual(node.told(), [['applied', undefined]])
      assert.equal(node.problem?.code, code)
    })

  test("by yesterday's statement after a restart: what was accepted is remembered", async () => {
    const node = begin()
    const before = feedStatement('all', v1, [list('drop', v1, drop).named])
    await node.enforce(v1, list('drop', v1, drop))
    await node.enforce(v2)
    const again = begin({ folder: node.folder })
    await again.feeds.take(before)
    await again.feeds.settled()
    assert.deepEqual(again.firewall.listed(), [])
  })
})

describe('a restart', () => {
  test('brings back what is on the disk, for the time that is left, into the half that is not in force', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    const again = begin({ folder: node.folder, firewall: node.firewall })
    again.clock.now += 600_000
    node.firewall.feedSteps.length = 0
    again.feeds.load()
    await again.feeds.settled()
    assert.deepEqual(node.firewall.feedSteps, ['fill b', 'empty a'])
    assert.equal(node.firewall.feeds.b.get('203.0.113.200'), 3_000_000)
    assert.deepEqual(again.told(), [['applied', undefined]])
    assert.deepEqual(again.asked, [])
  })

  test('without what has ended meanwhile empties the kernel of it', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    const again = begin({ folder: node.folder, firewall: node.firewall })
    again.clock.now += 3_600_001
    again.feeds.load()
    await again.feeds.settled()
    assert.deepEqual(node.firewall.listed(), [])
  })

  test('with a damaged chunk on the disk fetches that, and keeps the other lists', async () => {
    const node = begin()
    const tor = list('tor', v1, ['203.0.113.201'])
    await node.enforce(v1, list('drop', v1, drop), tor)
    const [digest = ''] = tor.chunks.keys()
    writeFileSync(join(node.folder, 'feeds', digest), '["203.0.1')
    const again = begin({ folder: node.folder })
    for (const [name, text] of tor.chunks) again.chunks.set(name, text)
    again.feeds.load()
    await again.feeds.settled()
    await again.feeds.settled()
    assert.deepEqual(again.asked, [`/v1/feeds/tor/${digest}`])
    assert.deepEqual(again.told(), [
      ['applied', undefined],
      ['applied', undefined],
    ])
    assert.equal(again.firewall.listed().includes('203.0.113.200/31'), true)
  })
})

test('a kernel that refuses is said, and it is tried again when the table is healed', async () => {
  const node = begin()
  node.firewall.refusing = true
  await node.enforce(v1, list('drop', v1, drop))
  assert.deepEqual(node.told(), [['failed', 'kernel_refused']])
  assert.equal(node.problem?.code, 'kernel_refused')
  node.firewall.refusing = false
  node.feeds.heal()
  await node.feeds.settled()
  assert.deepEqual(node.told(), [['applied', undefined]])
  assert.equal(node.problem, undefined)
})

test('a list that the kernel does not let go of is told until it does', async () => {
  const node = begin()
  await node.enforce(v1, list('drop', v1, drop))
  node.firewall.refusing = true
  await node.enforce(v2)
  assert.equal(node.problem?.code, 'kernel_refused')
  await node.enforce(v2)
  assert.equal(node.problem?.code, 'kernel_refused', 'also after the same was said again')
  node.firewall.refusing = false
  node.feeds.heal()
  await node.feeds.settled()
  assert.deepEqual(node.firewall.listed(), [])
  assert.equal(node.problem, undefined)
})

test('a list that never came whole is no trouble any more to who has left its group', async () => {
  const node = begin()
  await node.enforce(v1, { ...list('drop', v1, drop), chunks: new Map() })
  assert.equal(node.problem?.code, 'snapshot_incomplete')
  node.feeds.leave('all')
  assert.equal(node.problem, undefined)
  await node.feeds.stop()
})

test('whoever empties the table again and again makes the node spend a tenth of its time on lists, no more', async () => {
  const node = begin()
  await node.enforce(v1, list('drop', v1, drop))
  const { firewall, clock } = node
  const fill = firewall.fillFeeds.bind(firewall)
  firewall.fillFeeds = (half, elements) => {
    clock.now += 1_000
    return fill(half, elements)
  }
  const loads = async () => {
    firewall.feedSteps.length = 0
    node.feeds.heal()
    await node.feeds.settled()
    return firewall.feedSteps.filter((step) => step.startsWith('fill')).length
  }
  assert.equal(await loads(), 1, 'the first time at once')
  assert.equal(await loads(), 0)
  clock.now += 9_999
  assert.equal(await loads(), 0)
  clock.now += 1
  assert.equal(await loads(), 1)
})

test('a node that leaves a group lets go of its lists, and of their chunks on the disk', async () => {
  const node = begin()
  const { named, chunks } = list('drop', v1, drop)
  for (const [digest, text] of chunks) node.chunks.set(digest, text)
  await node.feeds.take(feedStatement('group/web', v1, [named]))
  await node.enforce(v1, list('tor', v1, ['203.0.113.201']))
  assert.equal(readdirSync(join(node.folder, 'feeds')).length, 3)
  node.feeds.leave('group/web')
  await node.feeds.settled()
  assert.deepEqual(node.firewall.listed(), ['203.0.113.201'])
  assert.equal(readdirSync(join(node.folder, 'feeds')).length, 2)
})

test('a list that was withdrawn while it was being read does not come back because its chunk is damaged', async () => {
  const node = begin()
  const tor = list('tor', v1, ['203.0.113.201'])
  await node.enforce(v1, list('drop', v1, drop), tor)
  const [digest = ''] = tor.chunks.keys()
  writeFileSync(join(node.folder, 'feeds', digest), '["203.0.1')
  const gate = Promise.withResolvers<void>()
  node.firewall.gate = gate.promise
  node.feeds.load()
  await node.feeds.take(feedStatement('all', v2, [list('drop', v1, drop).named]))
  gate.resolve()
  await node.feeds.settled()
  await node.feeds.settled()
  assert.equal(node.firewall.listed().includes('203.0.113.201'), false)
  assert.deepEqual(
    node.feeds.receipts.map(({ feed, status }) => [feed, status]),
    [['drop', 'applied']],
  )
})

describe('the disk', () => {
  const files = (folder: string) => readdirSync(join(folder, 'feeds')).length
  const hosts = (net: number) =>
    Array.from({ length: 6_000 }, (_, i) => `198.${18 + net}.${i >> 8}.${i & 255}`)

  test('does not fill with the chunks of versions that never came whole', async () => {
    const node = begin()
    for (const step of [0, 1, 2, 3]) {
      const { named, chunks } = list('drop', v1 + step, hosts(step % 2).slice(step))
      const [first] = chunks
      if (first) node.chunks.set(...first)
      await node.feeds.take(feedStatement('all', v1 + step, [named]))
      await node.feeds.settled()
    }
    assert.equal(files(node.folder), 2, 'the index and the one chunk that may still be needed')
  })

  test('gives the room of what was withdrawn back at once, also of the last list', async () => {
    const node = begin()
    await node.enforce(v1, list('drop', v1, drop))
    await node.enforce(v2)
    assert.equal(files(node.folder), 1)
  })

  test('that does not let a chunk go keeps no list from being in force', async () => {
    const node = begin()
    mkdirSync(join(node.folder, 'feeds', 'a'.repeat(64)), { recursive: true })
    await node.enforce(v1, list('drop', v1, drop))
    assert.deepEqual(node.told(), [['applied', undefined]])
    assert.equal(node.problem, undefined)
  })

  test('that does not take what is held is told, for as long as it does not', async () => {
    const node = begin()
    const index = join(node.folder, 'feeds', 'index.json')
    mkdirSync(join(index, 'in the way'), { recursive: true })
    await node.enforce(v1, list('drop', v1, drop))
    assert.deepEqual(node.told(), [['applied', undefined]])
    assert.ok(node.problem)
    rmSync(index, { recursive: true })
    await node.enforce(v2, list('drop', v2, drop))
    assert.equal(node.problem, undefined)
  })

  test('takes no more of a list than was signed for', async () => {
    const node = begin()
    const { named, chunks } = list('drop', v1, hosts(0))
    for (const chunk of chunks) node.chunks.set(...chunk)
    const [first = ''] = named.chunks
    const less = { ...named, entries: 4_999, chunks: [first] }
    await node.feeds.take(feedStatement('all', v1, [less]))
    await node.feeds.settled()
    assert.deepEqual(node.told(), [['failed', 'snapshot_incomplete']])
    assert.equal(files(node.folder), 1)
  })
})

function begin(more: { folder?: string; firewall?: MemoryFirewall; mostEntries?: number } = {}) {
  const folder = more.folder ?? join(parent, String(count++))
  const node = listNode({ firewall: new MemoryFirewall(), ...more, folder })
  running.push(node.feeds)
  return node
}

/** The nth /19 of 2000::/3. */
function sixes(n: number): string {
  const [high, low] = [0x2000 + (n >> 3), (n & 7) << 13]
  return low === 0 ? `${high.toString(16)}::/19` : `${high.toString(16)}:${low.toString(16)}::/19`
}

function headOf(typ: string): string {
  const header = { alg: 'ES256', typ, kid: serviceKey.kid }
  return Buffer.from(JSON.stringify(header)).toString('base64url')
}
