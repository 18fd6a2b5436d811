/** What nft lists of who was stopped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hitsIn } from '../../agent/kernel/hits.ts'

const head = 'table inet cordon {\n\tset hits4 {\n\t\ttype ipv4_addr\n\t\ttimeout 1h\n'

test('packets and the time of the last are read, in whatever order a version of nft prints them', () => {
  for (const element of [
    '203.0.113.7 counter packets 12 bytes 890 expires 59m58s500ms',
    '203.0.113.7 timeout 1h expires 59m58s500ms counter packets 12 bytes 890',
  ]) {
    const listing = `${head}\t\telements = { ${element},\n\t\t\t     203.0.113.8 counter packets 1 bytes 29 expires 1h }\n\t}\n}\n`
    assert.deepEqual(hitsIn(listing), [
      { address: '203.0.113.7', packets: 12, agoMs: 1_500 },
      { address: '203.0.113.8', packets: 1, agoMs: 0 },
    ])
  }
})

test('an address of IPv6 is read as a whole', () => {
  const listing = `${head}\t\telements = { 2001:db8:a::7 counter packets 2 bytes 129 expires 30m }\n\t}\n}\n`
  assert.deepEqual(hitsIn(listing), [{ address: '2001:db8:a::7', packets: 2, agoMs: 1_800_000 }])
})

test('nobody was stopped where there are no elements', () => {
  assert.deepEqual(hitsIn(`${head}\t}\n}\n`), [])
})
