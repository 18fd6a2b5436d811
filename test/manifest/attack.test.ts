/** Whoever may write somewhere below the root cannot lead an installation elsewhere. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { install, prepare, remove, snapshot, temporary, writeManifest, writeTree } from './tree.ts'

const yaml = (to: string) => `
title: demo
versions: all
tested: not at all
settings: { home: { description: where it lives, default: /opt/demo } }
parts:
  main: { description: one file, files: [{ from: a, to: "${to}" }] }
`
const files = { a: 'ours\n' }

describe('a link', () => {
  test('in the place of the file is not followed', () => {
    using source = temporary()
    using root = temporary()
    using outside = temporary()
    writeTree(outside.path, { victim: 'precious' })
    mkdirSync(join(root.path, 'etc'))
    symlinkSync(join(outside.path, 'victim'), join(root.path, 'etc/a'))
    const manifest = writeManifest(source.path, yaml('/etc/a'), files)
    assert.throws(() => install(manifest, root.path), { code: 'conflict', message: /is a link/ })
    assert.deepEqual(snapshot(outside.path).at(-1)?.endsWith('"precious"'), true)
  })

  test('of a folder that leads out of the root is not followed, one that stays inside is', () => {
    using source = temporary()
    using root = temporary()
    using outside = temporary()
    mkdirSync(join(root.path, 'usr'))
    symlinkSync('usr', join(root.path, 'inside'))
    symlinkSync(outside.path, join(root.path, 'outside'))
    symlinkSync('nowhere', join(root.path, 'dangling'))
    for (const name of ['outside', 'dangling']) {
      const manifest = writeManifest(source.path, yaml(`/${name}/x/a`), files)
      assert.throws(() => install(manifest, root.path), {
        code: 'conflict',
        message: /link to no folder below/,
      })
    }
    assert.deepEqual(readdirSync(outside.path), [])
    const was = snapshot(root.path)
    install(writeManifest(source.path, yaml('/inside/x/a'), files), root.path)
    assert.ok(snapshot(root.path).some((line) => line.startsWith('usr/x/a ')))
    remove(root.path)
    assert.deepEqual(snapshot(root.path), was)
  })

  test('that was put there after the installation is not followed when it is removed', () => {
    using source = temporary()
    using root = temporary()
    using outside = temporary()
    writeTree(outside.path, { a: 'ours\n' })
    install(writeManifest(source.path, yaml('/opt/demo/a'), files), root.path)
    rmSync(join(root.path, 'opt/demo'), { recursive: true })
    symlinkSync(outside.path, join(root.path, 'opt/demo'))
    assert.throws(() => remove(root.path), { code: 'conflict' })
    assert.deepEqual(readdirSync(outside.path), ['a'])
  })
})

test('a folder, and a file where a folder belongs, are refused', () => {
  using source = temporary()
  using root = temporary()
  mkdirSync(join(root.path, 'etc/a'), { recursive: true })
  writeFileSync(join(root.path, 'file'), '')
  const folder = writeManifest(source.path, yaml('/etc/a'), files)
  assert.throws(() => prepare(folder, root.path), { code: 'conflict', message: /is a folder/ })
  const file = writeManifest(source.path, yaml('/file/a'), files)
  assert.throws(() => prepare(file, root.path), { code: 'conflict', message: /is no folder/ })
})

test('a setting cannot lead a path out of the root', () => {
  using source = temporary()
  using root = temporary()
  const manifest = writeManifest(source.path, yaml('{{home}}/a'), files)
  for (const home of ['/opt/../../etc', '..', 'opt', '/opt/.'])
    assert.throws(() => prepare(manifest, root.path, { values: { home } }), {
      code: 'setting_invalid',
    })
  const { plan } = prepare(manifest, root.path, { values: { home: '//opt//x/' } })
  assert.deepEqual(
    plan.changes.map(({ path }) => path),
    ['/opt/x/a'],
  )
})

describe('the record', () => {
  test('is for nobody else to read or write', () => {
    using source = temporary()
    using root = temporary()
    install(writeManifest(source.path, yaml('/etc/a'), files), root.path)
    const lines = snapshot(root.path).filter((line) => line.includes('cordon-manifests'))
    assert.deepEqual(
      lines.map((line) => line.split(' ').slice(0, 2)),
      [
        ['var/lib/cordon-manifests', '40700'],
        ['var/lib/cordon-manifests/demo.json', '100600'],
      ],
    )
  })

  test('that others may write is not believed', () => {
    using source = temporary()
    using root = temporary()
    install(writeManifest(source.path, yaml('/etc/a'), files), root.path)
    chmodSync(join(root.path, 'var/lib/cordon-manifests/demo.json'), 0o666)
    assert.throws(() => remove(root.path), { code: 'conflict', message: /by somebody else/ })
  })

  test('that belongs to another user is not believed', (t) => {
    if (process.geteuid?.() !== 0) return t.skip('only root can give a file away')
    using source = temporary()
    using root = temporary()
    install(writeManifest(source.path, yaml('/etc/a'), files), root.path)
    chownSync(join(root.path, 'var/lib/cordon-manifests/demo.json'), 65_534, 65_534)
    assert.throws(() => remove(root.path), { code: 'conflict', message: /by somebody else/ })
  })

  test('that is not understood is said, and nothing is touched', () => {
    using source = temporary()
    using root = temporary()
    install(writeManifest(source.path, yaml('/etc/a'), files), root.path)
    writeFileSync(join(root.path, 'var/lib/cordon-manifests/demo.json'), '{"version":2}')
    const was = snapshot(root.path)
    assert.throws(() => remove(root.path), { code: 'conflict', message: /not understood/ })
    assert.deepEqual(snapshot(root.path), was)
  })
})
