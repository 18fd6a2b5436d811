/** What connected nodes hear: every envelope once and in order, or that they must ask for the whole state. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { connect } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { printCursor } from '#contract/audience.ts'
import { envelopeHash, HeadClaims, tokenType } from '#contract/envelope.ts'
import { readChunk, SnapshotClaims } from '#contract/snapshot.ts'
import { publishHeads } from '../../actions/flow/heads.ts'
import { openSnapshots } from '../../actions/flow/snapshot.ts'
import { openStream } from '../../actions/flow/stream.ts'
import { findNode } from '../../actions/store/nodes.ts'
import { beginEpoch, insertEnvelope, readHead } from '../../actions/store/outbox.ts'
import type { Reader } from '../../actions/store/store.ts'
import { until } from '../crash/until.ts'
import { listen, payloadOf } from '../listening.ts'
import { openTestService, record, type TestService, type TestServiceOptions } from '../service.ts'

const nonce = 'n'.repeat(22)
const Resync = z.object({ audience: z.string(), reason: z.string() })

describe('every envelope', () => {
  test('of fifty senders at once has a number without a gap, and every node gets each once and in order', async (t) => {
    const { service, server } = await open(t, { onDisk: true })
    const followers = await Promise.all(
      ['web-01', 'web-02', 'web-03'].map(async (name) =>
        server.follow(await service.enrol(name), here),
      ),
    )
    await Promise.all(followers.map((follower) => follower.wait('hello')))
    await settled(service)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        service.alert([record(`203.0.113.${n}`), record(`192.0.2.${n}`)]),
      ),
    )
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
    const last = (await readHead(service.flow.store.read, 'all')).seq
    for (const follower of followers) {
      await follower.wait('envelope', last)
      const envelopes = follower.envelopes().filter(({ aud }) => aud === 'all')
      assert.deepEqual(
        envelopes.map(({ seq }) => seq),
        Array.from({ length: last }, (_, n) => n + 1),
      )
      const hashes = follower.of('envelope').map(({ data }) => envelopeHash(data))
      assert.deepEqual(
        envelopes.map(({ prev }) => prev),
        ['', ...hashes.slice(0, -1)],
      )
      assert.equal(envelopes.flatMap(({ actions }) => actions).length, 100)
    }
  })

  test('of single writers in parallel is in sequence, whatever order they wrote in', async (t) => {
    const { service } = await open(t, { onDisk: true })
    const body = (n: number) => ({ target: `203.0.113.${n}`, for: '1h', reason: 'test' })
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => service.ask('POST', '/v1/decisions', { body: body(n) })),
    )
    assert.ok(answers.every(({ status }) => status === 201))
    assert.equal((await readHead(service.flow.store.read, 'all')).seq, 50)
  })

  test('after Last-Event-ID comes without loss or repeat, also while others go on writing', async (t) => {
    const { service, server } = await open(t, { onDisk: true })
    const node = await service.enrol('web-01')
    let writing = true
    const writer = (async () => {
      for (let n = 0; writing && n < 400; n++) {
        await service.alert(record(`203.0.${n >> 8}.${n & 255}`))
        await new Promise(setImmediate)
      }
    })()
    const seen: number[] = []
    let place = here
    for (let round = 0; round < 8; round++) {
      const follower = await server.follow(node, place)
      await follower.wait('envelope', 3)
      follower.close()
      await follower.ended
      assert.deepEqual(
        follower.of('resync').filter(({ data }) => data.includes('"all"')),
        [],
      )
      const taken = follower.of('envelope').slice(0, 3)
      seen.push(
        ...taken.map(({ data }) => Number(z.object({ seq: z.int() }).parse(payloadOf(data)).seq)),
      )
      place = taken.at(-1)?.id ?? ''
    }
    writing = false
    await writer
    assert.deepEqual(
      seen,
      Array.from({ length: 24 }, (_, n) => n + 1),
    )
  })

  test('reaches both of two streams that one node has open', async (t) => {
    const { service, server } = await open(t)
    const node = await service.enrol('web-01')
    const both = [await server.follow(node, here), await server.follow(node, here)]
    await Promise.all(both.map((follower) => follower.wait('hello')))
    await settled(service)
    for (const n of [1, 2, 3]) await service.alert(record(`203.0.113.${n}`))
    for (const follower of both) {
      await follower.wait('envelope', 3)
      assert.deepEqual(
        follower.envelopes().map(({ seq }) => seq),
        [1, 2, 3],
      )
    }
  })

  test('of a group goes to the nodes of the group and to no other', async (t) => {
    const { service, server } = await open(t)
    const web = await server.follow(await service.enrol('web-01', ['web']))
    const db = await server.follow(await service.enrol('db-01', ['db']))
    await web.wait('resync', 3)
    await db.wait('resync', 3)
    const order = (target: string, audience: string[]) =>
      service.ask('POST', '/v1/decisions', {
        body: { target, for: '1h', reason: 'test', audience },
      })
    await order('203.0.113.1', ['group/web'])
    await order('203.0.113.2', ['node/db-01'])
    await order('203.0.113.3', ['all'])
    await Promise.all([web.wait('envelope', 2), db.wait('envelope', 2)])
    assert.deepEqual(
      web.envelopes().map(({ aud }) => aud),
      ['group/web', 'all'],
    )
    assert.deepEqual(
      db.envelopes().map(({ aud }) => aud),
      ['node/db-01', 'all'],
    )
  })
})

describe('a node must ask for the whole state of an audience, and hears why, when', () => {
  test('its place is unknown, ahead of ours, on a fork, of another epoch or pruned away', async (t) => {
    const { service, server } = await open(t)
    const node = await service.enrol('web-01')
    await service.alert(record('203.0.113.1'))
    service.clock.now += 3_600_001
    await service.alert(record('203.0.113.2'))
    const head = await readHead(service.flow.store.read, 'all')
    const at = (place: Partial<typeof head>) =>
      printCursor(new Map([['all', { ...head, ...place }]]))
    const reason = async (cursor: string | undefined) => {
      const follower = await server.follow(node, cursor)
      await follower.wait('resync')
      const reasons = follower.of('resync').map(({ data }) => Resync.parse(JSON.parse(data)))
      follower.close()
      return reasons.find(({ audience }) => audience === 'all')?.reason
    }
    assert.equal(await reason(undefined), 'unknown')
    assert.equal(await reason(at({ seq: 99 })), 'ahead')
    assert.equal(await reason(at({ epoch: 2 })), 'ahead')
    assert.equal(await reason(at({ hash: 'another' })), 'fork')
    assert.equal(await reason(at({ seq: 1, hash: 'another' })), 'fork')
    assert.equal(await reason(at({})), undefined)
    await service.flow.store.write((tx) => tx.deleteFrom('envelopes').execute())
    assert.equal(await reason(at({ seq: 1 })), 'pruned')
    await service.ask('POST', '/v1/epoch')
    assert.equal(await reason(at({})), 'epoch')
  })

  test('its place is none that we understand: it is refused before the stream begins', async (t) => {
    const { service, server } = await open(t)
    const follower = await server.follow(await service.enrol('web-01'), 'all:1')
    await follower.ended
    assert.equal(follower.status, 400)
    assert.match(follower.text(), /"invalid_input"/)
  })

  test('it missed more than can be told one by one', async (t) => {
    const { service, server } = await open(t)
    const node = await service.enrol('web-01')
    await service.alert(record('203.0.113.1'))
    const [first] = await service.flow.store.read.selectFrom('envelopes').selectAll().execute()
    assert.ok(first)
    await service.flow.store.write(async (tx) => {
      for (let seq = 2; seq <= 2_001; seq++) await insertEnvelope(tx, { ...first, seq })
    })
    const resyncs = async (cursor: string) => {
      const follower = await server.follow(node, cursor)
      await follower.wait('resync')
      await settled(service)
      return follower.of('resync').map(({ data }) => Resync.parse(JSON.parse(data)))
    }
    assert.deepEqual((await resyncs(here))[0], { audience: 'all', reason: 'pruned' })
    const near = printCursor(new Map([['all', { epoch: 1, seq: 1, hash: first.hash }]]))
    assert.ok((await resyncs(near)).every(({ audience }) => audience !== 'all'))
  })

  test('a new epoch begins while it listens', async (t) => {
    const { service, server } = await open(t)
    const follower = await server.follow(await service.enrol('web-01'), here)
    await follower.wait('resync')
    await settled(service)
    const before = follower.of('resync').length
    assert.equal((await service.ask('POST', '/v1/epoch')).body.epoch, 2)
    await follower.wait('resync', before + 2)
    await service.alert(record('203.0.113.1'))
    await follower.wait('envelope')
    assert.deepEqual(
      follower.envelopes().map(({ epoch, seq, prev }) => [epoch, seq, prev]),
      [[2, 1, '']],
    )
  })
})

describe('a service whose store is older than the fleet', () => {
  test('begins one new epoch when twenty nodes prove it at once', async (t) => {
    const { service } = await open(t)
    const nodes = await Promise.all(Array.from({ length: 20 }, (_, n) => service.enrol(`web-${n}`)))
    const jws = await lostStatement(service)
    const answers = await Promise.all(nodes.map((node) => prove(service, node.bearer(), jws)))
    assert.deepEqual(
      answers.map(({ body }) => body.epoch),
      Array(20).fill(2),
    )
    const begun = await service.ask('GET', '/v1/journal?subject=service')
    assert.equal(begun.text.split('epoch.begin').length - 1, 1)
  })

  test('believes neither a forged statement, nor an old one, nor one of another kind, nor a text that is none', async (t) => {
    const { service } = await open(t)
    const node = await service.enrol('web-01')
    await service.alert(record('203.0.113.1'))
    const [old] = await service.flow.store.read.selectFrom('envelopes').selectAll().execute()
    assert.ok(old)
    assert.equal((await prove(service, node.bearer(), old.jws)).body.epoch, 1)
    const claims = { ...z.object({}).loose().parse(payloadOf(old.jws)), seq: 99 }
    const { kid, privateKey } = service.flow.keys.current()
    const sign = (key: typeof privateKey, typ: string) =>
      jwt.sign(claims, key, { algorithm: 'ES256', header: { alg: 'ES256', typ, kid } })
    const [, payload] = sign(privateKey, tokenType.actions).split('.')
    for (const forged of [
      sign(node.privateKey, tokenType.actions),
      sign(privateKey, tokenType.head),
      old.jws.replace(/\.[^.]*\./, `.${payload}.`),
      'eyJ',
      'a.b.c',
      `${Buffer.from('{"typ":"JWT","alg":"ES256"}').toString('base64url')}.e30x.AAAA`,
    ]) {
      const answer = await prove(service, node.bearer(), forged)
      assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_input'])
    }
    const now = await prove(service, node.bearer(), old.jws)
    assert.equal(now.body.epoch, 1)
  })

  test('keeps the blocks: the state of the new epoch holds what was in force', async (t) => {
    const { service } = await open(t)
    const node = await service.enrol('web-01')
    await service.alert(record('203.0.113.1'))
    await prove(service, node.bearer(), await lostStatement(service))
    const { claims, blocks } = await wholeState(service, node.bearer())
    assert.deepEqual([claims.epoch, claims.seq, claims.head], [2, 0, ''])
    assert.deepEqual(
      blocks.map(({ target }) => target),
      ['203.0.113.1'],
    )
  })
})

describe('a listener', () => {
  test('that is revoked hears no more, and is refused when it comes back', async (t) => {
    const { service, server } = await open(t)
    const node = await service.enrol('web-01')
    const follower = await server.follow(node)
    await follower.wait('resync', 2)
    await settled(service)
    await service.ask('POST', '/v1/nodes/web-01/revoke')
    await follower.ended
    await service.alert(record('203.0.113.1'))
    assert.equal(follower.of('envelope').length, 0)
    const again = await server.follow(node)
    assert.equal(again.status, 403)
    const receipts = await service.ask('GET', '/v1/snapshot?audience=all&nonce=1234567890123456', {
      token: node.bearer(),
    })
    assert.equal(receipts.body.code, 'node_revoked')
  })

  test('whose groups change is told them, and comes back with the new audiences', async (t) => {
    const { service, server } = await open(t)
    const node = await service.enrol('web-01', ['web'])
    const follower = await server.follow(node)
    await follower.wait('resync', 3)
    await settled(service)
    await service.ask('POST', '/v1/nodes/web-01/groups', { body: { groups: ['db'] } })
    await follower.ended
    assert.deepEqual(
      follower.of('groups').map(({ data }) => JSON.parse(data)),
      [{ groups: ['db'] }],
    )
    const again = await server.follow(node)
    await again.wait('resync', 3)
    assert.deepEqual(
      again.of('resync').map(({ data }) => Resync.parse(JSON.parse(data)).audience),
      ['all', 'group/db', 'node/web-01'],
    )
  })

  test('that is revoked or regrouped while it connects is let go all the same', async (t) => {
    const { service } = await open(t)
    const { store, hub } = service.flow
    for (const change of ['revoke', 'groups']) {
      await service.enrol(`web-${change}`, ['web'])
      const asItWas = await findNode(store.read, `web-${change}`)
      assert.ok(asItWas)
      await service.ask('POST', `/v1/nodes/web-${change}/${change}`, { body: { groups: ['db'] } })
      const heard: string[] = []
      let ended = false
      const connection = {
        write: (frame: string) => heard.push(frame) * 0,
        end: () => {
          ended = true
        },
      }
      await openStream(store, hub, asItWas, new Map(), connection, service.clock.now)
      assert.equal(ended, true)
      assert.equal(hub.connected(asItWas.name), false)
      assert.equal(heard.at(-1)?.startsWith('event: groups'), change === 'groups')
    }
  })

  test('that goes away at once leaves nothing behind and harms nobody', async (t) => {
    const { service, server } = await open(t)
    const node = await service.enrol('web-01')
    for (let n = 0; n < 30; n++) {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(
        `GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${node.bearer()}\r\n\r\n`,
      )
      if (n % 2 === 0) await new Promise(setImmediate)
      socket.destroy()
    }
    const follower = await server.follow(node)
    await follower.wait('resync', 2)
    await settled(service)
    await service.alert(record('203.0.113.1'))
    await follower.wait('envelope')
    follower.close()
    await until('nobody listens any more', async () => {
      const count = service.flow.hub.count()
      return count > 0 && `${count} do`
    })
  })

  test('that reads nothing is let go, and the others go on', async (t) => {
    const { service, server } = await open(t)
    const slow = await server.follow(await service.enrol('slow-01'))
    const quick = await server.follow(await service.enrol('quick-01'))
    await Promise.all([slow.wait('resync', 2), quick.wait('resync', 2)])
    await settled(service)
    slow.pause()
    const frame = `event: head\ndata: ${'x'.repeat(1_000_000)}\n\n`
    for (let n = 1; n <= 30; n++) {
      service.flow.hub.broadcast('all', frame)
      await quick.wait('head', n)
    }
    assert.equal(service.flow.hub.connected('slow-01'), false)
    assert.equal(service.flow.hub.connected('quick-01'), true)
    await service.alert(record('203.0.113.1'))
    await quick.wait('envelope')
    slow.resume()
    await slow.ended
  })

  test('hears every fifteen seconds where each of its audiences stands, under our signature', async (t) => {
    const { service, server } = await open(t)
    const { store, hub, keys } = service.flow
    const follower = await server.follow(await service.enrol('web-01', ['web']))
    await follower.wait('resync', 3)
    await settled(service)
    await service.alert(record('203.0.113.1'))
    await publishHeads(store, hub, keys, service.clock.now)
    const heads = (await follower.wait('head', 3)).map(({ data }) => {
      const { header, payload } = jwt.verify(data, createPublicKey(keys.current().privateKey), {
        algorithms: ['ES256'],
        complete: true,
        clockTimestamp: Math.floor(service.clock.now / 1_000),
      })
      assert.equal(header.typ, tokenType.head)
      return HeadClaims.parse(payload)
    })
    assert.deepEqual(
      heads.map(({ aud, seq, exp, iat }) => [aud, seq, exp - iat]),
      [
        ['all', 1, 45],
        ['group/web', 0, 45],
        ['node/web-01', 0, 45],
      ],
    )
    assert.equal(heads[0]?.head, (await readHead(store.read, 'all')).hash)
  })
})

describe('the whole state', () => {
  test('adds up to the blocks in force, also when it has several chunks, and answers the nonce', async (t) => {
    const { service } = await open(t)
    const node = await service.enrol('web-01')
    const address = (n: number) => `203.0.${n >> 8}.${n & 255}`
    for (let from = 0; from < 7_000; from += 1_000)
      await service.alert(Array.from({ length: 1_000 }, (_, n) => record(address(from + n))))
    const [lifted] = (await service.ask('GET', '/v1/decisions?limit=1')).body.decisions
    await service.ask('POST', `/v1/decisions/${lifted?.id}/lift`, { body: { reason: 'test' } })
    const { claims, blocks } = await wholeState(service, node.bearer())
    assert.equal(claims.nonce, nonce)
    assert.equal(claims.chunks.length, 2)
    assert.equal(claims.blocks, 6_999)
    assert.equal(new Set(blocks.map(({ target }) => target)).size, 6_999)
    assert.ok(!blocks.some(({ decision }) => decision === lifted?.id))
    const head = await readHead(service.flow.store.read, 'all')
    assert.deepEqual([claims.seq, claims.head], [head.seq, head.hash])
  })

  test('lets alerts be stored while it is read, and all who ask then get one in which these are', async (t) => {
    const { service } = await open(t, { onDisk: true })
    const { flow, clock } = service
    await service.alert(record('203.0.113.1'))
    let late: Promise<string>[] = []
    let views = 0
    const view = <T>(job: (db: Reader) => Promise<T>): Promise<T> =>
      flow.store.view(async (db) => {
        const state = await job(db)
        if (++views > 1) return state
        await service.alert(record('203.0.113.2'))
        late = ['b', 'c'].map((one) => snapshots.manifest('all', one.repeat(16)))
        return state
      })
    const { keys } = flow
    const snapshots = openSnapshots({ store: { ...flow.store, view }, keys, now: () => clock.now })
    const first = await snapshots.manifest('all', nonce)
    const told = [first, ...(await Promise.all(late))].map((jws) =>
      SnapshotClaims.parse(payloadOf(jws)),
    )
    assert.deepEqual(
      told.map(({ seq, blocks }) => [seq, blocks]),
      [
        [1, 1],
        [2, 2],
        [2, 2],
      ],
    )
    assert.equal(views, 2)
  })

  test('is there already when a node that was just enrolled asks for it', async (t) => {
    const { service } = await open(t)
    await service.alert(record('203.0.113.1'))
    const view = t.mock.method(service.flow.store, 'view')
    const token = (await service.enrol('web-01', ['web'])).bearer()
    assert.equal(view.mock.callCount() > 0, true)
    for (const audience of ['all', 'group/web', 'node/web-01']) {
      const path = `/v1/snapshot?audience=${audience}&nonce=${nonce}`
      assert.equal((await service.ask('GET', path, { token })).status, 200)
    }
    assert.equal(view.mock.callCount(), 3)
  })

  test('that could not be made before it was asked for is made then', async (t) => {
    const { service } = await open(t)
    const { store, keys } = service.flow
    let views = 0
    const view = <T>(job: (db: Reader) => Promise<T>): Promise<T> =>
      ++views === 1 ? Promise.reject(new Error('disk I/O error')) : store.view(job)
    const snapshots = openSnapshots({
      store: { ...store, view },
      keys,
      now: () => service.clock.now,
    })
    snapshots.foresee(['all'])
    // Whoever asks before it has failed is told of it.
    await assert.rejects(snapshots.manifest('all', nonce), { message: 'disk I/O error' })
    const { blocks } = SnapshotClaims.parse(payloadOf(await snapshots.manifest('all', nonce)))
    assert.deepEqual([views, blocks], [2, 0])
  })

  test('of an audience that the node does not follow is not given', async (t) => {
    const { service } = await open(t)
    const node = await service.enrol('web-01', ['web'])
    for (const audience of ['group/db', 'node/db-01']) {
      const path = `/v1/snapshot?audience=${audience}&nonce=${nonce}`
      assert.equal(
        (await service.ask('GET', path, { token: node.bearer() })).body.code,
        'forbidden',
      )
    }
  })

  test('has no chunk of a digest that was never promised, or was let go', async (t) => {
    const { service } = await open(t)
    const token = (await service.enrol('web-01')).bearer()
    const unknown = await service.ask('GET', `/v1/snapshot/${'0'.repeat(64)}`, { token })
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found'])
    await service.alert(record('203.0.113.1'))
    const { store, keys } = service.flow
    let now = service.clock.now
    const snapshots = openSnapshots({ store, keys, now: () => now })
    const [digest = ''] = SnapshotClaims.parse(
      payloadOf(await snapshots.manifest('all', nonce)),
    ).chunks
    now += 60_000
    assert.ok(snapshots.chunk(digest))
    now += 1
    assert.throws(() => snapshots.chunk(digest), { code: 'not_found' })
    await snapshots.manifest('all', nonce)
    assert.ok(snapshots.chunk(digest))
    now += 60_001
    snapshots.letGo()
    now -= 60_001
    assert.throws(() => snapshots.chunk(digest), { code: 'not_found' })
  })

  test('that took minutes to read can be fetched whole, for as long as one that was read at once', async (t) => {
    const { service } = await open(t, { onDisk: true })
    await service.alert(record('203.0.113.1'))
    const { store, keys } = service.flow
    let now = service.clock.now
    const slowly = <T>(job: (db: Reader) => Promise<T>): Promise<T> =>
      store.view(async (db) => {
        const reading = job(db)
        now += 300_000
        snapshots.letGo()
        return reading
      })
    const snapshots = openSnapshots({ store: { ...store, view: slowly }, keys, now: () => now })
    const claims = SnapshotClaims.parse(payloadOf(await snapshots.manifest('all', nonce)))
    now += 60_000
    assert.equal(claims.exp * 1_000 > now, true)
    for (const digest of claims.chunks) assert.ok(snapshots.chunk(digest))
  })
})

async function open(t: TestContext, options: TestServiceOptions = {}) {
  const service = await openTestService(options)
  const server = await listen(service)
  t.after(async () => {
    await server.close()
    await service.close()
  })
  return { service, server }
}

/** The beginning of `all`, where a node stands that has its (empty) state. */
const here = 'all:1:0:'

/** Everything that was asked of the store is done, so that all who connected have joined. */
async function settled(service: TestService): Promise<void> {
  for (let n = 0; n < 5; n++) await service.flow.store.write(async () => {})
}

/** A statement of ours whose place the store no longer knows: as after an older backup was restored. */
async function lostStatement(service: TestService): Promise<string> {
  await service.alert(record('203.0.113.200', { severity: 80 }))
  const [envelope] = await service.flow.store.read
    .selectFrom('envelopes')
    .selectAll()
    .orderBy('seq', 'desc')
    .execute()
  assert.ok(envelope)
  await service.flow.store.write(async (tx) => {
    await beginEpoch(tx, 1)
    await tx.deleteFrom('claims').where('target', '=', '203.0.113.200').execute()
  })
  return envelope.jws
}

function prove(service: TestService, token: string, statement: string) {
  return service.ask('POST', '/v1/proof', { token, body: { statement } })
}

async function wholeState(service: TestService, token: string) {
  const path = `/v1/snapshot?audience=all&nonce=${nonce}`
  const { manifest = '' } = (await service.ask('GET', path, { token })).body
  const claims = SnapshotClaims.parse(payloadOf(manifest))
  const texts = await Promise.all(
    claims.chunks.map((digest) => service.ask('GET', `/v1/snapshot/${digest}`, { token })),
  )
  const blocks = texts.flatMap(({ text }, n) =>
    [...readChunk(text, claims.chunks[n] ?? '')].flatMap((row) =>
      'order' in row ? [row.order] : [],
    ),
  )
  return { claims, blocks }
}
