/** Two installations at one place follow each other; one that was killed stands in nobody's way. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { holdLock } from '../../actions/manifest/lock.ts'
import { install, snapshot, temporary, writeManifest, writeTree } from './tree.ts'

test('who comes second is told by whom it is held, and nothing is left behind', () => {
  using folder = temporary()
  const place = join(folder.path, 'lock')
  const lock = holdLock(place)
  assert.throws(() => holdLock(place), {
    code: 'conflict',
    message: `another installation is at work here, process ${process.pid}`,
  })
  lock.release()
  holdLock(place).release()
  assert.deepEqual(readdirSync(folder.path), [])
})

test('the lock of a process that is gone is taken over', () => {
  using folder = temporary()
  const place = join(folder.path, 'lock')
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  writeFileSync(place, `${gone}\n`)
  holdLock(place).release()
  assert.deepEqual(readdirSync(folder.path), [])
})

test('nothing is written while another installation is at work', () => {
  using source = temporary()
  using root = temporary()
  const manifest = writeManifest(
    source.path,
    'title: demo\nversions: all\ntested: not at all\nparts: { main: { description: x, files: [{ from: a, to: /etc/a }] } }\n',
    { a: 'a' },
  )
  writeTree(root.path, { 'var/lib/cordon-manifests/.lock': `${process.pid}\n` })
  assert.throws(() => install(manifest, root.path), { code: 'conflict', message: /at work/ })
  assert.deepEqual(readdirSync(root.path), ['var'])
})

test('of several at once one installs, and the others are told or find it done', async () => {
  using folder = temporary()
  const dest = folder.path
  writeTree(dest, { 'var/lib/cordon-manifests/.keep': '', 'etc/systemd/system/.keep': '' })
  const was = snapshot(dest)
  const program = fileURLToPath(new URL('../../cordon.ts', import.meta.url))
  const words = ['manifest', 'install', 'systemd', '--part', 'agent', '--dest', dest]
  const run = promisify(execFile)
  const results = await Promise.allSettled(
    [1, 2, 3].map(() => run(process.execPath, [program, ...words, '--yes'])),
  )
  const refused = results.flatMap((result) => (result.status === 'rejected' ? result.reason : []))
  assert.ok(refused.length < results.length)
  for (const { code, stderr } of refused) {
    assert.equal(code, 1)
    assert.match(
      stderr,
      /error: (another installation is at work here|something changed there since)/,
    )
  }
  const { stdout } = await run(process.execPath, [program, ...words])
  assert.equal(stdout, 'nothing to change\n')
  assert.deepEqual(readdirSync(join(dest, 'var/lib/cordon-manifests')).sort(), [
    '.keep',
    'systemd.json',
  ])
  await run(process.execPath, [program, 'manifest', 'remove', 'systemd', '--dest', dest, '--yes'])
  assert.deepEqual(snapshot(dest), was)
})
