/** Where an installation goes: below a root that is there or is made, on a machine or to be imported from. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { placeOf } from '../../actions/manifest/place.ts'
import { install, prepare, remove, snapshot, temporary, writeManifest, writeTree } from './tree.ts'

const yaml = `
title: demo
versions: all
tested: not at all
parts:
  here: { description: on the machine, files: [{ from: a, to: /etc/demo/a }] }
  there: { description: in a browser, files: [{ from: a, to: flows/a.json }] }
`

test('a root that is not there is made, and goes again; its parent must be there', () => {
  using source = temporary()
  using folder = temporary()
  const manifest = writeManifest(source.path, yaml, { a: 'a' })
  const dest = join(folder.path, 'stage')
  install(manifest, dest, { parts: ['here'] })
  assert.deepEqual(readdirSync(dest).sort(), ['etc', 'var'])
  remove(dest)
  assert.equal(existsSync(dest), false)
  assert.throws(() => prepare(manifest, join(dest, 'x/y'), { parts: ['here'] }), {
    code: 'not_found',
    message: /stage\/x is not there/,
  })
})

test('parts for a machine and parts to import do not go to one place', () => {
  using source = temporary()
  using dest = temporary()
  const manifest = writeManifest(source.path, yaml, { a: 'a' })
  for (const parts of [[], ['here', 'there']])
    assert.throws(() => prepare(manifest, dest.path, { parts }), { code: 'usage' })
})

test('without --dest it is the machine, or a folder of its own in the folder where one stands', () => {
  assert.equal(placeOf('demo', true, undefined).root, '/')
  assert.equal(placeOf('demo', false, undefined).root, join(process.cwd(), 'cordon-demo'))
  assert.equal(placeOf('demo', false, 'x').root, join(process.cwd(), 'x'))
})

test('what is to be imported is removed from there too', () => {
  using folder = temporary()
  const program = fileURLToPath(new URL('../../cordon.ts', import.meta.url))
  const run = (words: string) =>
    spawnSync(process.execPath, [program, 'manifest', ...words.split(' ')], {
      cwd: folder.path,
      encoding: 'utf8',
    })
  const done = run('install shuffle --part import --yes')
  assert.equal(done.status, 0, done.stderr)
  assert.deepEqual(readdirSync(folder.path), ['cordon-shuffle'])
  assert.ok(readdirSync(join(folder.path, 'cordon-shuffle')).includes('.cordon-manifest.json'))
  assert.equal(run('remove shuffle --yes').status, 0)
  assert.deepEqual(readdirSync(folder.path), [])
})

test('a folder that holds another manifest is not mixed with it', () => {
  using source = temporary()
  using dest = temporary()
  const manifest = writeManifest(source.path, yaml, { a: 'a' })
  install(manifest, dest.path, { parts: ['there'] })
  assert.throws(() => prepare({ ...manifest, host: 'other' }, dest.path, { parts: ['there'] }), {
    code: 'conflict',
    message: /of another manifest, demo/,
  })
})

test('a draft that a killed process left is gone after the next command there', () => {
  using source = temporary()
  using dest = temporary()
  const manifest = writeManifest(source.path, yaml, { a: 'a' })
  writeTree(dest.path, { 'etc/other': '' })
  install(manifest, dest.path, { parts: ['here'] })
  writeFileSync(join(dest.path, 'etc/demo/.cordon-manifest-draft'), 'half')
  remove(dest.path)
  assert.deepEqual(
    snapshot(dest.path).map((line) => line.split(' ')[0]),
    ['.', 'etc', 'etc/other'],
  )
})
