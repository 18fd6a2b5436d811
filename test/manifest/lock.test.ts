/** Two installations at one place follow each other; one that was killed stands in nobody's way. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { holdLock } from '../../actions/manifest/lock.ts'
import { install, temporary, writeManifest, writeTree } from './tree.ts'

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
    'title: demo\nversions: all\nparts: { main: { description: x, files: [{ from: a, to: /etc/a }] } }\n',
    { a: 'a' },
  )
  writeTree(root.path, { 'var/lib/cordon-manifests/.lock': `${process.pid}\n` })
  assert.throws(() => install(manifest, root.path), { code: 'conflict', message: /at work/ })
  assert.deepEqual(readdirSync(root.path), ['var'])
})
