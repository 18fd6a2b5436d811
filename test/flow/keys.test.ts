/** The service's signing keys: made once, kept, handed over, never seen by others. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { openKeys } from '../../actions/flow/keys.ts'
import { takeAnnouncements, trustOf } from '../../agent/keys.ts'
import { readEnvelope } from '../../agent/verify.ts'
import { openTestService, record, type TestService } from '../service.ts'

const at = Date.UTC(2026, 2, 1)
const noted = async () => {}

describe('the signing keys', () => {
  test('are made at the first start, in a file that only its owner may read', (t) => {
    const path = file(t)
    openKeys(path, () => 'cordon-test')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(existsSync(`${path}.new`), false)
  })

  test('stay the same over a restart, after a rotation too, with name and announcements', async (t) => {
    const path = file(t)
    const first = openKeys(path, () => 'cordon-test')
    await first.rotate(at, noted)
    const second = openKeys(path, () => 'cordon-other')
    assert.equal(second.issuer, 'cordon-test')
    assert.equal(second.current().kid, first.current().kid)
    assert.deepEqual(second.published(), first.published())
    assert.deepEqual(second.announcements(), first.announcements())
  })

  test('that are retired are dropped by a node that knew them, and not published again', async (t) => {
    const path = file(t)
    const keys = openKeys(path, () => 'cordon-test')
    const trusted = { issuer: 'cordon-test', keys: keys.published(), announced: 0 }
    await keys.rotate(at, noted)
    const old = keys.current().kid
    const kid = await keys.rotate(at + 1_000, noted, true)
    const now = takeAnnouncements(trusted, keys.announcements(), Date.now())
    assert.deepEqual([...trustOf(now).keys.keys()], [kid])
    for (const known of [keys, openKeys(path, () => 'x')])
      assert.deepEqual(
        known.published().map((key) => key.kid),
        [kid],
      )
    assert.notEqual(kid, old)
  })

  test('whose file became readable to others is closed to them at the next start', (t) => {
    const path = file(t)
    openKeys(path, () => 'cordon-test')
    chmodSync(path, 0o644)
    openKeys(path, () => 'cordon-test')
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  test('whose file is damaged stop the start, and are not replaced by new ones', (t) => {
    const path = file(t)
    for (const text of [
      '',
      '{',
      '{"issuer":"x","keys":[],"announcements":[]}',
      '{"issuer":"x","keys":[{"kty":"EC"}],"announcements":[]}',
    ]) {
      writeFileSync(path, text)
      assert.throws(() => openKeys(path, () => 'x'), { code: 'store_unavailable' }, text)
      assert.equal(readFileSync(path, 'utf8'), text)
    }
  })

  test('that cannot be written leave the key in use that was, and no line in the journal', async (t) => {
    const path = file(t)
    const keys = openKeys(path, () => 'cordon-test')
    const before = keys.current().kid
    mkdirSync(`${path}.new`)
    const noteNothing = async () => assert.fail('no key was made')
    await assert.rejects(keys.rotate(at, noteNothing), { code: 'store_unavailable' })
    assert.equal(keys.current().kid, before)
    assert.deepEqual(keys.announcements(), [])
  })

  test('are exchanged only when the journal has the line, and one at a time', async (t) => {
    const path = file(t)
    const keys = openKeys(path, () => 'cordon-test')
    const before = keys.current().kid
    const full = new Error('the disk is full')
    await assert.rejects(
      keys.rotate(at, () => Promise.reject(full)),
      full,
    )
    assert.equal(keys.current().kid, before)
    assert.equal(openKeys(path, () => 'cordon-test').current().kid, before)
    const rotated = keys.rotate(at, async (kid) => {
      assert.notEqual(kid, before)
      assert.equal(keys.current().kid, before)
    })
    await assert.rejects(keys.rotate(at, noted), { code: 'conflict' })
    assert.equal(keys.current().kid, await rotated)
  })
})

describe('a node that knows an old key', () => {
  test('learns the new one from what the old one signed, over several rotations', async (t) => {
    const keys = openKeys(file(t), () => 'cordon-test')
    const trusted = { issuer: 'cordon-test', keys: keys.published(), announced: 0 }
    for (let n = 1; n <= 3; n++) await keys.rotate(at + n * 1_000, noted)
    const after = takeAnnouncements(trusted, keys.announcements(), Date.now())
    assert.ok(trustOf(after).keys.has(keys.current().kid))
  })

  test('verifies what is signed after a rotation, by what any caller is told', async (t) => {
    const service = await open(t)
    const node = { issuer: 'cordon-test', keys: service.flow.keys.published(), announced: 0 }
    await service.alert(record('203.0.113.1'))
    const { kid } = (await service.ask('POST', '/v1/keys/rotate')).body
    await service.alert(record('203.0.113.2'))
    const rows = await service.flow.store.read
      .selectFrom('envelopes')
      .select('jws')
      .orderBy('seq')
      .execute()
    const [old, fresh] = rows.map(({ jws }) => jws)
    assert.ok(old && fresh)
    assert.throws(() => readEnvelope(fresh, trustOf(node)), { code: 'envelope_key_unknown' })
    const { announcements } = (await service.ask('GET', '/v1/keys', { token: null })).body
    const learned = trustOf(takeAnnouncements(node, announcements, Date.now()))
    assert.equal(readEnvelope(fresh, learned).seq, 2)
    assert.equal(readEnvelope(old, learned).seq, 1)
    assert.ok(learned.keys.has(kid ?? ''))
    const journal = await service.ask('GET', `/v1/journal?subject=${kid}`)
    assert.match(journal.text, /key\.rotate/)
  })

  test('learns nothing from a service that is another', async (t) => {
    const keys = openKeys(file(t), () => 'cordon-test')
    const other = openKeys(file(t), () => 'cordon-test')
    await other.rotate(at, noted)
    const trusted = { issuer: 'cordon-test', keys: keys.published(), announced: 0 }
    assert.equal(takeAnnouncements(trusted, other.announcements(), Date.now()), trusted)
  })
})

describe('the public keys', () => {
  test('are a JWKS without any private part', async (t) => {
    const service = await open(t)
    await service.ask('POST', '/v1/keys/rotate')
    const { keys } = JSON.parse(
      (await service.ask('GET', '/.well-known/jwks.json', { token: null })).text,
    )
    assert.equal(keys.length, 2)
    for (const key of keys)
      assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })
})

function file(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-keys-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'keys.json')
}

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}
