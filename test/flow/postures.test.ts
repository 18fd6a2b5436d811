/** Standing rules as the service tells of them: signed as nodes verify it, to whom they are for, and kept. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { readFeedChunk } from '#contract/feed.ts'
import { readPosture } from '#contract/posture.ts'
import type { Heartbeat } from '#contract/receipt.ts'
import { openPostures } from '../../actions/flow/postures.ts'
import { openCountries } from '../../actions/posture/country-networks.ts'
import { readJournal } from '../../actions/store/journal.ts'
import { trustOf } from '../../agent/keys.ts'
import { verifyPosture } from '../../agent/verify-newest.ts'
import { writeMmdb } from '../facts/mmdb.ts'
import { openTestService, startOfTest, type TestService } from '../service.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-postures-'))
after(() => rmSync(folder, { recursive: true }))
const database = join(folder, 'countries.mmdb')
const text = (verdict = 'drop') => `
version: 1
postures:
  - for: group/web
    rules:
      - name: ssh
        service: { ports: 22, from: [XA, 192.0.2.0/24], verdict: ${verdict} }
`
const by = { actor: 'token/alice', admins: [] }

async function open(t: { after(done: () => Promise<void>): void }, dir?: string) {
  writeFileSync(
    database,
    writeMmdb([
      ['203.0.113.0/25', { country_code: 'XA' }],
      ['2001:db8::/33', { country_code: 'XA' }],
    ]),
  )
  const service = await openTestService(dir === undefined ? {} : { dir })
  t.after(() => service.close())
  const { store, keys, hub } = service.flow
  const countries = openCountries({ country: database })
  const postures = openPostures({
    ...{ store, keys, hub, countries },
    now: () => service.clock.now,
    file: undefined,
  })
  return { service, postures }
}

function verified(service: TestService, jws: string, audiences: string[], held = 0) {
  const trust = trustOf({ issuer: service.flow.keys.issuer, keys: service.flow.keys.published() })
  return verifyPosture(jws, trust, new Set(audiences), () => held, service.clock.now)
}

describe('the standing rules of a group', () => {
  test('are signed as its nodes verify it, with the networks of countries by digest', async (t) => {
    const { service, postures } = await open(t)
    await postures.apply(text(), { ...by, confirm: 90 })
    const [jws = ''] = await postures.statements(['all', 'group/web'])
    const claims = verified(service, jws, ['group/web'])
    assert.deepEqual([claims.version, claims.confirm], [startOfTest, 90])
    const [country] = readPosture(claims.posture)?.countries ?? []
    assert.deepEqual([country?.country, country?.entries], ['XA', 2])
    const digest = country?.chunks[0] ?? ''
    const chunk = await postures.chunk(['group/web'], digest)
    assert.deepEqual(
      [...readFeedChunk(chunk, digest)].map((one) => one.text),
      ['203.0.113.0/25', '2001:db8::/33'],
    )
    await assert.rejects(postures.chunk(['group/db'], digest), { code: 'not_found' })
    assert.deepEqual(await postures.statements(['group/db']), [])
    assert.throws(() => verified(service, jws, ['group/db']), { code: 'envelope_audience' })
    assert.throws(() => verified(service, jws, ['group/web'], startOfTest + 1), {
      code: 'envelope_replayed',
    })
  })

  test('stay what was signed when the database of countries is another one, until they are applied again', async (t) => {
    const { service, postures } = await open(t)
    await postures.apply(text(), by)
    const [jws = ''] = await postures.statements(['group/web'])
    const digest = readPosture(verified(service, jws, ['group/web']).posture)?.countries[0]
      ?.chunks[0]
    writeFileSync(database, writeMmdb([['203.0.113.0/24', { country_code: 'XA' }]]))
    assert.ok(await postures.chunk(['group/web'], digest ?? ''))
    const { proposals } = await postures.propose(text(), [])
    assert.deepEqual(proposals[0]?.diff.lines, ['  XA has other networks: 2 before, 1 now'])
    service.clock.now += 1_000
    const [applied] = await postures.apply(text(), by)
    assert.equal(applied?.signed, true)
    await assert.rejects(postures.chunk(['group/web'], digest ?? ''), { code: 'not_found' })
  })

  test('are there after a restart, with their networks', async (t) => {
    const dir = mkdtempSync(join(folder, 'data-'))
    const first = await open(t, dir)
    await first.postures.apply(text(), by)
    const [before] = await first.postures.inForce()
    const second = await open(t, dir)
    assert.deepEqual(await second.postures.inForce(), [before])
    const digest = before?.posture?.countries[0]?.chunks[0] ?? ''
    assert.ok(await second.postures.chunk(['group/web'], digest))
  })

  test('are signed anew when they are others, or when a node went back from them', async (t) => {
    const { service, postures } = await open(t)
    await service.enrol('web-01', ['web'])
    const signed = async (verdict?: string) => {
      service.clock.now += 1_000
      const [one] = await postures.apply(text(verdict), by)
      return one?.signed
    }
    assert.deepEqual([await signed(), await signed(), await signed('accept')], [true, false, true])
    const [{ version = 0 } = {}] = await postures.inForce()
    postures.hear('web-01', {
      audience: 'group/web',
      version,
      status: 'reverted',
      at: service.clock.now,
      in_force: 0,
      code: 'service_unreachable',
    })
    const [standing] = await postures.standings()
    assert.deepEqual(standing?.nodes[0]?.status, 'reverted')
    assert.deepEqual([await signed('accept'), await signed('accept')], [true, false])
  })

  test('that were removed are told as such, also to who was away', async (t) => {
    const { service, postures } = await open(t)
    await postures.apply(text(), by)
    service.clock.now += 1_000
    await postures.remove('group/web', { ...by, reason: 'the move is over' })
    const [jws = ''] = await postures.statements(['group/web'])
    const claims = verified(service, jws, ['group/web'], startOfTest)
    assert.deepEqual([claims.posture, claims.version], [null, startOfTest + 1_000])
    await assert.rejects(postures.remove('group/web', by), { code: 'not_found' })
    const lines = await readJournal(service.flow.store.read, { after: 0, limit: 100 })
    const own = lines.filter(({ action }) => action.startsWith('posture.'))
    assert.match(own.at(-1)?.after ?? '', /"reason":"the move is over"/)
    assert.deepEqual(
      own.map(({ actor, action, subject }) => [actor, action, subject]),
      [
        ['token/alice', 'posture.apply', 'group/web'],
        ['token/alice', 'posture.remove', 'group/web'],
      ],
    )
  })

  test('are journalled once when a node went back from them', async (t) => {
    const { service } = await open(t)
    await service.enrol('web-01', ['web'])
    const receipt = {
      audience: 'group/web',
      version: 7,
      status: 'reverted',
      at: startOfTest,
      in_force: 0,
      code: 'service_unreachable',
      detail: 'back to what was in force before',
    } as const
    const heartbeat: Heartbeat = {
      ...{ version: '1', backend: 'nft', enforcing: true, cursor: '', claims: 0, elements: 0 },
      ...{ clock_offset_ms: 0, started: startOfTest, events: [], postures: [receipt] },
    }
    await service.flow.takeHeartbeat('web-01', heartbeat)
    await service.flow.takeHeartbeat('web-01', heartbeat)
    const lines = await readJournal(service.flow.store.read, { after: 0, limit: 100 })
    const own = lines.filter(({ action }) => action === 'posture.reverted')
    assert.deepEqual(
      own.map(({ actor, subject }) => [actor, subject]),
      [['node/web-01', 'web-01']],
    )
  })

  test('are changed by administrators only, and fetched by nodes', async (t) => {
    const { service } = await open(t)
    const reader = await service.token(['read'])
    for (const [method, path, status] of [
      ['GET', '/v1/posture', 200],
      ['POST', '/v1/posture/diff', 403],
      ['POST', '/v1/posture/apply', 403],
      ['POST', '/v1/posture/remove', 403],
      ['GET', `/v1/posture/chunks/${'a'.repeat(64)}`, 403],
      ['POST', '/v1/posture/receipt', 403],
    ] as const)
      assert.equal(
        (await service.ask(method, path, { token: reader, body: {} })).status,
        status,
        path,
      )
    const node = await service.enrol('web-01', ['web'])
    const body = { audience: 'group/web', version: 1, status: 'trying', at: 1, in_force: 1 }
    const answer = await service.ask('POST', '/v1/posture/receipt', { token: node.bearer(), body })
    assert.equal(answer.status, 200)
  })
})
