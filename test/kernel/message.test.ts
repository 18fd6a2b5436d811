/** The bytes of the few netlink messages, against what the kernel's headers say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { contains, readAddress } from '#contract/address.ts'
import { eachAttribute, eachMessage, readAttributes } from '../../agent/kernel/bytes.ts'
import {
  addressBehind,
  encodeBatch,
  encodeGet,
  lastAddress,
  readElements,
} from '../../agent/kernel/message.ts'

test('one timed host is the bytes that the kernel expects', () => {
  const elements = [{ address: readAddress('203.0.113.7'), timeoutMs: 300_000 }]
  const { bytes } = encodeBatch('t', [{ do: 'add', set: 'in_hosts4', elements }], 1)
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    [
      '14000000 1000 0100 01000000 00000000 00 00 000a', // batch begin
      '4c000000 0c0a 0504 02000000 00000000 01 00 0000', // NEWSETELEM, request|ack|create, inet
      '0600 0100 74000000', // table
      '0e00 0200 696e5f686f73747334000000', // set
      '2000 0380', // elements
      '1c00 0180', // element
      '0c00 0180 0800 0100 cb007107', // key
      '0c00 0400 00000000000493e0', // time in milliseconds, network order
      '14000000 1100 0100 03000000 00000000 00 00 000a', // batch end
    ]
      .join('')
      .replaceAll(' ', ''),
  )
})

test('only the last message of a transaction asks for an answer', () => {
  const elements = [{ address: readAddress('203.0.113.7') }]
  const batch = encodeBatch(
    'cordon',
    [
      { do: 'flush', set: 'in_hosts4' },
      { do: 'destroy', set: 'in_hosts4', elements },
      { do: 'delete', set: 'in_hosts4', elements },
    ],
    100,
  )
  const bytes = Buffer.from(batch.bytes)
  const messages = [...eachMessage(bytes)]
  assert.deepEqual(
    messages.map(({ type, sequence }) => [type & 0xff, sequence]),
    [
      [0x10, 100],
      [14, 101],
      [30, 102],
      [14, 103],
      [0x11, 104],
    ],
  )
  assert.equal(batch.lastSequence, 103)
  let at = 0
  const flags = messages.map(({ body }) => {
    const found = bytes.readUInt16LE(at + 6)
    at += body.length + 16
    return found
  })
  assert.deepEqual(flags, [1, 1, 1, 5, 1])
})

test('a large load is split so that no attribute outgrows its 16 bits, and nothing is lost', () => {
  for (const [set, make] of [
    ['in_hosts4', (i: number) => `198.18.${i >> 8}.${i & 255}`],
    ['in_rare6', (i: number) => `2001:db8:${i.toString(16)}::/47`],
  ] as const) {
    const elements = Array.from({ length: 6_000 }, (_, index) => ({
      address: readAddress(make(set === 'in_rare6' ? index * 2 : index)),
      timeoutMs: 1_000,
    }))
    const { bytes } = encodeBatch('cordon', [{ do: 'add', set, elements }], 1)
    const messages = [...eachMessage(Buffer.from(bytes))].slice(1, -1)
    assert.ok(messages.length > 2)
    const read = messages.flatMap(({ body }) => {
      const list = readAttributes(body.subarray(4)).get(3)
      assert.ok(list && list.length <= 65_531)
      return readElements(body).elements.map(({ key }) => key.toString('hex'))
    })
    const expected = elements.flatMap(({ address }) => {
      const behind = set === 'in_rare6' ? addressBehind(address) : undefined
      return [address.bytes, ...(behind ? [behind] : [])].map((key) =>
        Buffer.from(key).toString('hex'),
      )
    })
    assert.deepEqual(read, expected)
  }
})

test('the end of an interval carries its flag and no time', () => {
  const elements = [{ address: readAddress('203.0.113.64/27'), timeoutMs: 1_000 }]
  const { bytes } = encodeBatch('cordon', [{ do: 'add', set: 'in_rare4', elements }], 1)
  const body = [...eachMessage(Buffer.from(bytes))][1]?.body ?? Buffer.alloc(4)
  const list = readAttributes(body.subarray(4)).get(3) ?? Buffer.alloc(0)
  const parts = [...eachAttribute(list)].map(([, element]) => readAttributes(element))
  assert.deepEqual(
    parts.map((part) => [part.get(3)?.readUInt32BE(), part.get(4)?.readBigUInt64BE()]),
    [
      [undefined, 1_000n],
      [1, undefined],
    ],
  )
})

test('asking for an element is one message that wants an answer', () => {
  const asked = Buffer.from(encodeGet('cordon', 'in_hosts4', readAddress('203.0.113.7').bytes, 9))
  assert.equal(asked.readUInt16LE(4), 0x0a0d)
  assert.equal(asked.readUInt16LE(6), 5)
  assert.equal(asked.readUInt32LE(), asked.length)
})

test('every network ends right before the first address behind it', () => {
  const networks = fc
    .tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }))
    .map(([bytes, prefix]) => readAddress(`${bytes.join('.')}/${prefix}`))
  fc.assert(
    fc.property(networks, (network) => {
      const last = readAddress([...lastAddress(network)].join('.'))
      assert.ok(contains(network, last))
      const behind = addressBehind(network)
      const number = Buffer.from(last.bytes).readUInt32BE() + 1
      if (behind === undefined) assert.equal(number, 2 ** 32)
      else assert.equal(Buffer.from(behind).readUInt32BE(), number)
    }),
  )
})

test('a truncated answer is read as far as it goes, without reading beyond it', () => {
  const { bytes } = encodeBatch('t', [{ do: 'flush', set: 'in_hosts4' }], 1)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length }), fc.uint8Array(), (size, noise) => {
      const cut = Buffer.concat([Buffer.from(bytes.subarray(0, size)), noise])
      for (const { body } of eachMessage(cut)) readElements(Buffer.from(body))
    }),
  )
})
