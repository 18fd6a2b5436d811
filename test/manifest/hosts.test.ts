/** Every folder of manifests/ with a manifest: it reads, installs with the values of its examples, and goes without a trace. */
import assert from 'node:assert/strict'
import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { carryOut } from '../../actions/manifest/carry-out.ts'
import { openDisk } from '../../actions/manifest/disk.ts'
import { isAbsolute, ManifestFile, pathsOf } from '../../actions/manifest/manifest-file.ts'
import { placeOf } from '../../actions/manifest/place.ts'
import { isDone, prepareInstall, prepareRemove } from '../../actions/manifest/prepare.ts'
import {
  hostNames,
  type Manifest,
  manifestsFolder,
  readManifest,
} from '../../actions/manifest/read-manifests.ts'
import { namesIn, render, type Values } from '../../actions/manifest/render.ts'
import { namesUsed } from '../../actions/manifest/wish.ts'
import { type Files, snapshot, temporary, who, writeTree } from './tree.ts'

const longestReadme = 80

test('the example in manifests/README.md is a manifest', () => {
  const text = readFileSync(join(manifestsFolder, 'README.md'), 'utf8')
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(text) ?? []
  assert.equal(ManifestFile.parse(parse(example)).title, 'Wazuh')
})

for (const host of hostNames())
  describe(`manifests/${host}`, () => {
    const manifest = readManifest(host)
    const { file, readme } = manifest

    test('has a page for people that is not longer than a page', () => {
      assert.match(readme, /^# /)
      const lines = readme.split('\n').length
      assert.ok(lines <= longestReadme, `README.md has ${lines} lines`)
    })

    test('has no setting that nothing uses', () => {
      assert.deepEqual(
        Object.keys(file.settings).filter(
          (name) => !namesUsed(manifest, Object.keys(file.parts)).has(name),
        ),
        [],
      )
    })

    for (const [name, part] of Object.entries(file.parts)) {
      test(`installs part ${name} into an empty root, once, and removes it without a trace`, () => {
        using folder = temporary()
        const dest = join(folder.path, 'root')
        const machine = pathsOf(part).some(isAbsolute)
        writeTree(dest, { '.keep': '', ...hostFiles(manifest, name) })
        const was = snapshot(dest)
        const wanted = { manifest, parts: [name], values: examples(manifest), dest, force: false }
        const again = (made?: readonly string[]) => prepareInstall(wanted, who, made)
        carryOut(again(), again, openDisk(dest))
        for (const entry of part.files) {
          const place = join(dest, render(entry.to, 'plain', examples(manifest)))
          assert.equal((lstatSync(place).mode & 0o777).toString(8), entry.mode.slice(1))
          const left = entry.template ? namesIn(readFileSync(place, 'utf8')) : []
          assert.deepEqual(
            left.filter((one) => one in file.settings),
            [],
          )
        }
        assert.ok(isDone(again()), 'the second time nothing changes')
        const back = () => prepareRemove(host, placeOf(host, machine, dest), false, who)
        const prepared = back()
        assert.ok(prepared)
        carryOut(prepared, back, openDisk(dest))
        assert.deepEqual(snapshot(dest), was)
        assert.ok(existsSync(dest))
      })
    }
  })

/** As the defaults, and the examples where there are none. */
function examples({ file }: Manifest): Values {
  const entries = Object.entries(file.settings)
  return Object.fromEntries(entries.map(([name, one]) => [name, one.default ?? one.example ?? '']))
}

/** Files of the product that a block goes into. */
function hostFiles(manifest: Manifest, part: string): Files {
  const fragments = manifest.file.parts[part]?.fragments ?? []
  return Object.fromEntries(
    fragments.flatMap(({ into, before }) =>
      before === undefined
        ? []
        : [[render(into, 'plain', examples(manifest)), `first line\n${before}\nlast line\n`]],
    ),
  )
}
