/** Address text as decoders leave it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { pickAddress, pickPeer } from '../../connectors/pick-address.ts'

const good: [text: string, host: string][] = [
  ['203.0.113.7', '203.0.113.7'],
  [' 203.0.113.7\t', '203.0.113.7'],
  ['203.0.113.7:51423', '203.0.113.7'],
  ['[2001:db8::5]:443', '2001:db8::5'],
  ['[2001:db8::5]', '2001:db8::5'],
  ['2001:DB8:0:0:0:0:0:2A', '2001:db8::2a'],
  ['2001:0db8:0000:0000:0000:0000:0000:0003', '2001:db8::3'],
  ['::ffff:203.0.113.77', '203.0.113.77'],
  ['[::ffff:203.0.113.77]:5', '203.0.113.77'],
  ['0:0:0:0:0:0:0:1', '::1'],
]
const refused = [
  '',
  '-',
  'null',
  '(null)',
  'sanitized',
  'any',
  'example.com',
  '203.0.113.9,203.0.113.10',
  '203.0.113.9, 203.0.113.10',
  '203.0.113.9 203.0.113.10',
  '203.0.113.x',
  '183.106.179.xxx',
  '203.0.113.256',
  '203.0.113',
  '203.0.113.07',
  '0x7f.0.0.1',
  '3405803783',
  '203.0.113.0/24',
  '203.0.113.7/32',
  '203.0.113.7:70000',
  '203.0.113.7:',
  '203.0.113.7:1:2',
  '[203.0.113.7]:80',
  '[2001:db8::5',
  '2001:db8::5]:443',
  'fe80::1%eth0',
  '[fe80::1%eth0]:5',
  '２０３.0.113.7',
  '203。0。113。7',
  '<203.0.113.7>',
  '203.0.113.7;reboot',
]

describe('loose address text', () => {
  for (const [text, host] of good)
    test(`"${text}" names ${host}`, () => assert.equal(pickAddress(text)?.text, host))
  for (const text of refused)
    test(`"${text}" names nobody`, () => assert.equal(pickAddress(text), undefined))

  test('only text is looked at', () => {
    for (const value of [null, undefined, 7, 3405803783, ['203.0.113.7'], { ip: '203.0.113.7' }])
      assert.equal(pickAddress(value), undefined)
  })

  test('loopback, link-local, multicast and unspecified are no peers; private hosts are', () => {
    for (const text of ['127.0.0.1', '::1', 'fe80::1', '169.254.1.1', 'ff02::1', '0.0.0.0', '::'])
      assert.equal(pickPeer(text), undefined)
    for (const text of ['10.0.0.1', 'fd00::1', '203.0.113.7'])
      assert.equal(pickPeer(text)?.text, text)
  })

  test('every address is found again with any port, and no text throws', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), fc.nat(65_535), fc.string(), (v4, v6, port, junk) => {
        assert.equal(pickAddress(`${v4}:${port}`)?.text, pickAddress(v4)?.text)
        assert.equal(pickAddress(`[${v6}]:${port}`)?.text, pickAddress(v6)?.text)
        assert.notEqual(pickAddress(v4), undefined)
        pickAddress(junk)
      }),
    )
  })
})
