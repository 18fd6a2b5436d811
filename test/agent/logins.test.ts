/** Who logs in is protected at once. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { watchLogins } from '../../agent/logins.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-logins-'))
after(() => rmSync(folder, { recursive: true }))
const none = { routes4: '/none', routes6: '/none', resolvers: [] }

test('a new session and a changed list of logins are heeded, each once', {
  timeout: 60_000,
}, async () => {
  const utmp = join(folder, 'utmp')
  writeFileSync(utmp, '')
  let heeded = Promise.withResolvers<void>()
  let count = 0
  const places = { ...none, sessions: folder, utmp }
  const stop = watchLogins(places, () => {
    count++
    heeded.resolve()
  })
  writeFileSync(join(folder, '1'), 'REMOTE_HOST=192.0.2.9\n')
  writeFileSync(join(folder, '1'), 'REMOTE_HOST=192.0.2.9\nCLASS=user\n')
  await heeded.promise
  assert.equal(count, 1)
  heeded = Promise.withResolvers<void>()
  writeFileSync(utmp, 'x')
  await heeded.promise
  stop()
})

test('a machine without such files is no error', () => {
  const stop = watchLogins({ ...none, sessions: '/none/a', utmp: '/none/b' }, () => {})
  stop()
})
