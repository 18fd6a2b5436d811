/** What a person did since an installation is theirs: it is shown, and nothing of it is lost unless they say so. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { carryOut } from '../../actions/manifest/carry-out.ts'
import { openDisk } from '../../actions/manifest/disk.ts'
import { placeOf } from '../../actions/manifest/place.ts'
import { isDone, prepareRemove } from '../../actions/manifest/prepare.ts'
import {
  install,
  prepare,
  remove,
  snapshot,
  temporary,
  who,
  writeManifest,
  writeTree,
} from './tree.ts'

const yaml = (script: string) => `
title: demo
versions: all
tested: not at all
parts:
  main:
    description: a script, a file to fill in, and a block
    files:
      - { from: ${script}, to: /opt/demo/script, mode: "0755" }
      - { from: conf, to: /etc/demo.conf, keep: true }
    fragments:
      - { from: block, into: /etc/host.xml, comment: xml, before: "</host>" }
`
const files = { script: 'one\n', newer: 'two\n', conf: 'key = \n', block: '<cordon/>\n' }
const before = { 'etc/host.xml': '<host>\n  <a/>\n</host>\n' }

function demo() {
  const [source, root] = [temporary(), temporary()]
  writeTree(root.path, before)
  const manifest = writeManifest(source.path, yaml('script'), files)
  const was = snapshot(root.path)
  install(manifest, root.path)
  const at = (path: string) => join(root.path, path)
  return {
    root: root.path,
    manifest,
    was,
    at,
    newer: () => writeManifest(source.path, yaml('newer'), files),
    planRemove: (force = false) => {
      const prepared = prepareRemove('demo', placeOf('demo', true, root.path), force, who)
      assert.ok(prepared)
      return prepared.plan
    },
    [Symbol.dispose]: () => {
      source[Symbol.dispose]()
      root[Symbol.dispose]()
    },
  }
}

describe('a file that a person changed', () => {
  test('is not overwritten by a newer version, which shows what would be lost', () => {
    using d = demo()
    writeFileSync(d.at('opt/demo/script'), 'mine\n')
    const { plan } = prepare(d.newer(), d.root)
    assert.deepEqual(
      plan.conflicts.map(({ path, before, after }) => [
        path,
        `${before?.content}`,
        `${after?.content}`,
      ]),
      [['/opt/demo/script', 'mine\n', 'two\n']],
    )
    assert.deepEqual(plan.changes, [])
  })

  test('is not removed, and nothing else is; with force all is as it was', () => {
    using d = demo()
    writeFileSync(d.at('opt/demo/script'), 'mine\n')
    assert.deepEqual(
      d.planRemove().conflicts.map(({ path, after }) => [path, after]),
      [['/opt/demo/script', undefined]],
    )
    assert.throws(() => remove(d.root), { code: 'conflict' })
    assert.equal(readFileSync(d.at('opt/demo/script'), 'utf8'), 'mine\n')
    assert.match(readFileSync(d.at('etc/host.xml'), 'utf8'), /cordon begin/)
    remove(d.root, { force: true })
    assert.deepEqual(snapshot(d.root), d.was)
  })

  test('to what the newer version holds anyway is no matter', () => {
    using d = demo()
    writeFileSync(d.at('opt/demo/script'), 'two\n')
    const { plan } = prepare(d.newer(), d.root)
    assert.deepEqual([plan.conflicts, plan.changes], [[], []])
    install(d.newer(), d.root)
    remove(d.root)
    assert.deepEqual(snapshot(d.root), d.was)
  })

  test('and then deleted is made again by installing, and missed by nobody when removing', () => {
    using d = demo()
    rmSync(d.at('opt/demo/script'))
    const { plan } = prepare(d.manifest, d.root)
    assert.deepEqual(
      plan.changes.map(({ path }) => path),
      ['/opt/demo/script'],
    )
    remove(d.root)
    assert.deepEqual(snapshot(d.root), d.was)
  })

  test('only in its mode gets its mode back', () => {
    using d = demo()
    chmodSync(d.at('opt/demo/script'), 0o777)
    const { plan } = prepare(d.manifest, d.root)
    assert.deepEqual(
      plan.changes.map(({ path, before, after }) => [path, before?.mode, after?.mode]),
      [['/opt/demo/script', 0o777, 0o755]],
    )
  })
})

describe('a file that a person was to fill in', () => {
  test('stays as it is when it is installed again, and it is said', () => {
    using d = demo()
    writeFileSync(d.at('etc/demo.conf'), 'key = theirs\n')
    const again = prepare(d.newer(), d.root)
    assert.deepEqual(again.plan.notes, [
      '/etc/demo.conf was filled in by a person and stays as it is',
    ])
    assert.deepEqual(
      again.plan.changes.map(({ path }) => path),
      ['/opt/demo/script'],
    )
    install(d.newer(), d.root)
    assert.equal(readFileSync(d.at('etc/demo.conf'), 'utf8'), 'key = theirs\n')
  })

  test('stays when all else is removed, and goes with force', () => {
    using d = demo()
    writeFileSync(d.at('etc/demo.conf'), 'key = theirs\n')
    assert.deepEqual(d.planRemove().notes, ['/etc/demo.conf was filled in by a person and stays'])
    assert.deepEqual(d.planRemove(true).changes.length, 3)
    remove(d.root)
    assert.equal(readFileSync(d.at('etc/demo.conf'), 'utf8'), 'key = theirs\n')
    rmSync(d.at('etc/demo.conf'))
    assert.deepEqual(snapshot(d.root), d.was)
  })

  test('and that was there before the first installation is never touched', () => {
    using source = temporary()
    using root = temporary()
    writeTree(root.path, { ...before, 'etc/demo.conf': { content: 'older\n', mode: 0o600 } })
    const was = snapshot(root.path)
    const manifest = writeManifest(source.path, yaml('script'), files)
    install(manifest, root.path)
    assert.ok(isDone(prepare(manifest, root.path)))
    assert.equal(readFileSync(join(root.path, 'etc/demo.conf'), 'utf8'), 'older\n')
    remove(root.path)
    assert.deepEqual(snapshot(root.path), was)
  })
})

describe('a block in a file of somebody else', () => {
  const block =
    '<!-- cordon begin: demo main block -->\n<cordon/>\n<!-- cordon end: demo main block -->\n'

  test('stands before the last occurrence, between its marks', () => {
    using d = demo()
    assert.equal(readFileSync(d.at('etc/host.xml'), 'utf8'), `<host>\n  <a/>\n${block}</host>\n`)
  })

  test('that a person changed is neither replaced nor taken out, but for force', () => {
    using d = demo()
    const mine = readFileSync(d.at('etc/host.xml'), 'utf8').replace('<cordon/>', '<mine/>')
    writeFileSync(d.at('etc/host.xml'), mine)
    assert.deepEqual(
      prepare(d.manifest, d.root).plan.conflicts.map(({ path }) => path),
      ['/etc/host.xml'],
    )
    assert.throws(() => remove(d.root), { code: 'conflict' })
    assert.equal(readFileSync(d.at('etc/host.xml'), 'utf8'), mine)
    remove(d.root, { force: true })
    assert.deepEqual(snapshot(d.root), d.was)
  })

  test('that lost one of its marks is not guessed at', () => {
    using d = demo()
    const cut = readFileSync(d.at('etc/host.xml'), 'utf8').replace(/<!-- cordon end.*\n/, '')
    writeFileSync(d.at('etc/host.xml'), cut)
    assert.throws(() => prepare(d.manifest, d.root), {
      code: 'conflict',
      message: /not there as one pair/,
    })
    assert.throws(() => remove(d.root), { code: 'conflict' })
  })

  test('needs the file, and the place in it', () => {
    using d = demo()
    writeFileSync(d.at('etc/host.xml'), '<other/>\n')
    assert.throws(() => prepare(d.manifest, d.root), { code: 'conflict', message: /no <\/host>/ })
    rmSync(d.at('etc/host.xml'))
    assert.throws(() => prepare(d.manifest, d.root), {
      code: 'not_found',
      message: /\/etc\/host.xml/,
    })
    remove(d.root)
  })
})

test('what changed between the diff and the answer is not overwritten', () => {
  using d = demo()
  const newer = d.newer()
  const changes: [what: string, change: () => void][] = [
    ['another mode', () => chmodSync(d.at('opt/demo/script'), 0o700)],
    ['another content', () => writeFileSync(d.at('opt/demo/script'), 'mine\n')],
  ]
  for (const [what, change] of changes) {
    const shown = prepare(newer, d.root)
    change()
    const was = snapshot(d.root)
    const act = () => carryOut(shown, () => prepare(newer, d.root), openDisk(d.root))
    assert.throws(act, { code: 'conflict', message: /changed there since/ }, what)
    assert.deepEqual(snapshot(d.root), was)
  }
})

test('what a newer version no longer has is put back', () => {
  using source = temporary()
  using root = temporary()
  writeTree(root.path, { ...before, 'opt/demo/script': { content: 'former\n', mode: 0o700 } })
  install(writeManifest(source.path, yaml('script'), files), root.path)
  const less = `
title: demo
versions: all
tested: not at all
parts:
  main: { description: less, files: [{ from: conf, to: /etc/demo.conf, keep: true }] }
`
  install(writeManifest(source.path, less, files), root.path)
  assert.equal(readFileSync(join(root.path, 'opt/demo/script'), 'utf8'), 'former\n')
  assert.equal(readFileSync(join(root.path, 'etc/host.xml'), 'utf8'), before['etc/host.xml'])
  assert.equal(readFileSync(join(root.path, 'etc/demo.conf'), 'utf8'), files.conf)
})
