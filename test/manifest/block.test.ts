/** A block in the text of somebody else: where it goes, and that nothing else of the text moves. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findBlock, printBlock, putBlock, takeBlock } from '../../actions/manifest/block.ts'

const xml = printBlock('xml', 'demo', Buffer.from('<a/>\n'))
const hash = printBlock('hash', 'demo', Buffer.from('a = 1'))

const places: [what: string, text: string, before: string | undefined, expected: string][] = [
  ['an empty file', '', undefined, `${hash}\n`],
  ['the end of a file', 'x\n', undefined, `x\n${hash}\n`],
  ['a file whose last line has no end', 'x', undefined, `x\n${hash}\n`],
  ['the line of the last occurrence', '[b]\n [b]\ny\n', '[b]', `[b]\n${hash}\n [b]\ny\n`],
  ['the middle of a line', 'x[b]y\n', '[b]', `x\n${hash}\n[b]y\n`],
  ['the first line', '[b]\n', '[b]', `${hash}\n[b]\n`],
  [
    'a file with line ends of Windows',
    'x\r\n[b]\r\n',
    '[b]',
    `x\r\n${hash.replaceAll('\n', '\r\n')}\r\n[b]\r\n`,
  ],
]

describe('a block', () => {
  test('is marked as a comment of its host', () => {
    assert.equal(xml, '<!-- cordon begin: demo -->\n<a/>\n<!-- cordon end: demo -->')
    assert.equal(hash, '# cordon begin: demo\na = 1\n# cordon end: demo')
  })

  for (const [what, text, before, expected] of places)
    test(`goes into ${what} and out of it again`, () => {
      const { text: put, lead } = putBlock(text, undefined, hash, before)
      assert.equal(put, expected)
      const found = findBlock(put, 'hash', 'demo')
      assert.ok(found)
      assert.equal(found.text, hash)
      assert.equal(takeBlock(put, found, lead, before), text)
    })

  test('is replaced where a person moved it to', () => {
    const text = `x\n${hash}\ny\n[b]\n`
    const found = findBlock(text, 'hash', 'demo')
    const younger = printBlock('hash', 'demo', Buffer.from('a = 2'))
    assert.equal(putBlock(text, found, younger, '[b]').text, `x\n${younger}\ny\n[b]\n`)
  })

  test('is not the block whose name begins like its own', () => {
    const other = printBlock('hash', 'demo two', Buffer.from('b'))
    assert.equal(findBlock(`${other}\n`, 'hash', 'demo'), undefined)
    assert.ok(findBlock(`${other}\n${hash}\n`, 'hash', 'demo'))
  })

  for (const text of [
    hash.replace(/# cordon end.*/, ''),
    `${hash}\n${hash}\n`,
    '# cordon end: demo\n',
  ])
    test(`whose marks are no pair is not guessed at: ${JSON.stringify(text)}`, () => {
      assert.throws(() => findBlock(text, 'hash', 'demo'), { code: 'conflict' })
    })
})
