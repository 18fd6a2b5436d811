/** Whatever was there, and whatever a person does between: installing and removing leaves nothing of ours and loses nothing. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isDone } from '../../actions/manifest/prepare.ts'
import {
  type Files,
  install,
  prepare,
  remove,
  snapshot,
  temporary,
  writeManifest,
  writeTree,
} from './tree.ts'

const yaml = `
title: demo
versions: 1 and later
tested: not at all
settings: { word: { description: a word, default: one } }
parts:
  main:
    description: everything that a manifest can do
    files:
      - { from: tool, to: /opt/demo/bin/tool, mode: "0755" }
      - { from: conf, to: /etc/demo.conf, mode: "0640", template: true }
      - { from: "odd ünd 'näme'", to: "/opt/demo/odd ünd 'näme'" }
    fragments:
      - { from: block.xml, into: /etc/host.xml, comment: xml, before: "</host>", template: true }
      - { from: more.xml, into: /etc/host.xml, comment: xml, before: "</host>" }
      - { from: lines, into: /etc/host.conf, comment: hash }
      - { from: tail, into: /etc/host.conf, comment: hash }
`
const files: Files = {
  tool: { content: Buffer.from([0, 255, 10, 13]) },
  conf: 'word = {{word}}\n',
  "odd ünd 'näme'": 'x',
  'block.xml': '<word>{{word}}</word>\n',
  'more.xml': '<more/>',
  lines: 'a\n\nb\n\n',
  tail: '',
}

const text = fc
  .array(fc.constantFrom('\n', '\r\n', 'x', ' ', '\t', '</host>', '# y', 'ä', '\u0000'), {
    maxLength: 12,
  })
  .map((pieces) => pieces.join(''))
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array))
const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o444, 0o660)
const file = fc.record({ content: fc.oneof(text, bytes), mode })
const tree = fc
  .record(
    {
      'opt/demo/bin/tool': file,
      'etc/demo.conf': file,
      'etc/host.conf': file,
      'etc/other': file,
      'opt/demo/readme': file,
    },
    { requiredKeys: [] },
  )
  .chain((found) =>
    fc.record({ content: text, mode }).map(({ content, mode }): Files => {
      return { ...found, 'etc/host.xml': { content: `<host>${content}</host>${content}`, mode } }
    }),
  )

describe('installing and removing', () => {
  test('leaves the tree as it was, byte for byte and mode for mode, in every version in between', () => {
    using source = temporary()
    fc.assert(
      fc.property(
        tree,
        fc.array(fc.stringMatching(/^[a-z]{0,8}$/), { maxLength: 3 }),
        (before, words) => {
          using root = temporary()
          writeTree(root.path, before)
          const manifest = writeManifest(source.path, yaml, files)
          const was = snapshot(root.path)
          install(manifest, root.path)
          for (const word of words) {
            const choice = { values: { word } }
            if (!isDone(prepare(manifest, root.path, choice))) install(manifest, root.path, choice)
            assert.ok(isDone(prepare(manifest, root.path)), 'the second time nothing changes')
          }
          remove(root.path)
          assert.deepEqual(snapshot(root.path), was)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('leaves every line that a person wrote around a block, and takes the block out', () => {
    using source = temporary()
    const manifest = writeManifest(source.path, yaml, files)
    const line = fc.stringMatching(/^[a-z =]{0,10}$/)
    fc.assert(
      fc.property(tree, fc.array(line), fc.array(line), (before, above, below) => {
        using root = temporary()
        writeTree(root.path, before)
        install(manifest, root.path)
        const place = join(root.path, 'etc/host.conf')
        const [head, tail] = [above, below].map((lines) => lines.map((one) => `${one}\n`).join(''))
        const former = before['etc/host.conf']
        const held = typeof former === 'object' ? Buffer.from(former.content) : Buffer.alloc(0)
        writeFileSync(
          place,
          Buffer.concat([Buffer.from(head ?? ''), readFileSync(place), Buffer.from(tail ?? '')]),
        )
        chmodSync(place, 0o604)
        remove(root.path)
        const gone = former === undefined && head === '' && tail === ''
        const left = gone ? Buffer.alloc(0) : readFileSync(place)
        const end = `${held.toString('latin1')}${tail ?? ''}`
        // A block behind a last line without an end had to end it; with lines behind it that end stays.
        const ended = `${held.toString('latin1')}\n${tail ?? ''}`
        const crlf = `${held.toString('latin1')}\r\n${tail ?? ''}`
        const said = left.toString('latin1')
        assert.ok(
          [end, ended, crlf].some((text) => said === `${head ?? ''}${text}`),
          said,
        )
        assert.ok(!said.includes('cordon begin'))
      }),
      { numRuns: 40 },
    )
  })
})
