/** There is always a way in: an admin token is made at start when none is in force. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeWayIn } from '../../actions/admin-token.ts'
import { makeToken } from '../../actions/flow/secret.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { putToken, tokensInForce } from '../../actions/store/tokens.ts'

const now = Date.UTC(2026, 2, 1)
const day = 86_400_000
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))

test('a service whose only admin token has ended makes another at its next start', async (t) => {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  const short = makeToken(random, now, { name: 'mine', scopes: ['admin'], lifeMs: day })
  await store.write((tx) => putToken(tx, short.token))
  assert.equal(await makeWayIn(store, random, now, false), undefined)
  assert.match((await makeWayIn(store, random, now + day, false)) ?? '', /^cordon_/)
  const held = await tokensInForce(store.read, now + day)
  assert.deepEqual(
    held.map(({ name, scopes }) => [name, scopes]),
    [['first-admin', ['admin']]],
  )
})
