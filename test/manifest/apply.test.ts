/** What fails half way is taken back, wherever it fails; a process that is killed leaves what the next one sets right. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { type Disk, openDisk } from '../../actions/manifest/disk.ts'
import { isDone } from '../../actions/manifest/prepare.ts'
import { install, prepare, remove, snapshot, temporary, writeManifest, writeTree } from './tree.ts'

const yaml = (word: string) => `
title: demo
versions: all
tested: not at all
parts:
  main:
    description: a few files
    files:
      - { from: a, to: /etc/demo/a }
      - { from: ${word}, to: /etc/demo/b, mode: "0600" }
    fragments:
      - { from: block, into: /etc/host.conf, comment: hash }
`
const files = { a: 'a\n', b: 'b\n', c: 'c\n', block: 'line\n' }
const before = { 'etc/host.conf': { content: 'theirs', mode: 0o640 }, 'etc/other': 'x' }

/** Fails at each write from the nth on, until it is mended; `killed` fails for good, as a process that is gone. */
function failing(disk: Disk, at: number, killed = false): Disk {
  let count = 0
  const fail = <Args extends unknown[]>(act: (...args: Args) => void) => {
    return (...args: Args) => {
      count++
      if (killed ? count >= at : count === at)
        throw new Problem('conflict', 'cannot write (ENOSPC)', { remedy: 'make room' })
      act(...args)
    }
  }
  return {
    makeFolder: fail(disk.makeFolder),
    put: fail(disk.put),
    remove: fail(disk.remove),
    removeFolder: killed ? fail(disk.removeFolder) : disk.removeFolder,
    checkFolder: disk.checkFolder,
  }
}

/** Each number of a write that is ever reached. */
function eachFailure(act: (at: number) => boolean): number {
  let at = 1
  while (act(at)) at++
  return at - 1
}

describe('a failure half way', () => {
  test('through an installation leaves the tree as it was, whichever write fails', () => {
    using source = temporary()
    const manifest = writeManifest(source.path, yaml('b'), files)
    const reached = eachFailure((at) => {
      using root = temporary()
      writeTree(root.path, before)
      const was = snapshot(root.path)
      try {
        install(manifest, root.path, { disk: failing(openDisk(root.path), at) })
        return false
      } catch (error) {
        assert.ok(error instanceof Problem)
        assert.match(error.message, /ENOSPC.*nothing is changed/)
        assert.equal(error.remedy, 'make room')
        assert.deepEqual(snapshot(root.path), was)
        return true
      }
    })
    assert.ok(reached >= 5, `${reached} writes were tried`)
  })

  test('through an upgrade or a removal leaves what was installed', () => {
    using source = temporary()
    for (const act of ['upgrade', 'removal']) {
      const reached = eachFailure((at) => {
        using root = temporary()
        writeTree(root.path, before)
        install(writeManifest(source.path, yaml('b'), files), root.path)
        const was = snapshot(root.path)
        const disk = failing(openDisk(root.path), at)
        try {
          if (act === 'removal') remove(root.path, { disk })
          else install(writeManifest(source.path, yaml('c'), files), root.path, { disk })
          return false
        } catch (error) {
          assert.ok(error instanceof Problem, String(error))
          assert.deepEqual(snapshot(root.path), was)
          return true
        }
      })
      assert.ok(reached >= 3, `${reached} writes of the ${act} were tried`)
    }
  })

  test('that cannot be taken back either says what is left, and removing puts it right later', () => {
    using source = temporary()
    const manifest = writeManifest(source.path, yaml('b'), files)
    eachFailure((at) => {
      using root = temporary()
      writeTree(root.path, before)
      const was = snapshot(root.path)
      try {
        install(manifest, root.path, { disk: failing(openDisk(root.path), at, true) })
        return false
      } catch (error) {
        assert.ok(error instanceof Problem)
        const recorded = snapshot(root.path).some((line) => line.includes('demo.json'))
        if (recorded) remove(root.path)
        else if (/could not be put back/.test(error.message)) return true
        assert.deepEqual(snapshot(root.path), was)
        return true
      }
    })
  })

  test('of an upgrade that was killed is finished by the next, and nothing is taken for the work of a person', () => {
    using source = temporary()
    const reached = eachFailure((at) => {
      using root = temporary()
      writeTree(root.path, before)
      const was = snapshot(root.path)
      install(writeManifest(source.path, yaml('b'), files), root.path)
      const upgraded = writeManifest(source.path, yaml('c'), files)
      try {
        install(upgraded, root.path, { disk: failing(openDisk(root.path), at, true) })
        return false
      } catch {
        install(upgraded, root.path)
        assert.ok(isDone(prepare(upgraded, root.path)))
        remove(root.path)
        assert.deepEqual(snapshot(root.path), was)
        return true
      }
    })
    assert.ok(reached >= 3)
  })
})
