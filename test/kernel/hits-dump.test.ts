/** What was stopped is read by netlink, and by nft where that says what is not expected. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Firewall, Hit } from '../../agent/kernel/firewall.ts'
import { readingHits } from '../../agent/kernel/hits-dump.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { nftProgram } from '../../agent/kernel/nft.ts'
import { prove } from '../../agent/kernel/proof.ts'
import { kernelFirewall } from '../../agent/kernel/table.ts'
import { ownNamespace } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const nft = nftProgram()
const element = (set: string, text: string) =>
  run('nft', [`add element inet cordon ${set} { ${text} }`])

describe('reading who was stopped', { skip: kernel.skip }, () => {
  test('netlink finds what nft lists: on both sides, of both families, and nobody who was never stopped', async () => {
    await withFirewall(async (firewall) => {
      await element('hits_in4', '203.0.113.7 counter packets 12 bytes 890 expires 59m')
      await element('hits_out4', '198.51.100.9 counter packets 1 bytes 29 expires 30m')
      await element('hits_in6', '2001:db8::7 counter packets 5000000000 bytes 9 expires 1m')
      await element('hits_out6', '2001:db8:0:1::8 counter packets 0 bytes 0 expires 1h')
      const dumped = await readingHits(firewall).hits()
      const listed = await firewall.hits()
      assert.deepEqual(withoutTimes(dumped), withoutTimes(listed))
      assert.equal(dumped.length, 3)
      for (const [index, { agoMs }] of dumped.entries())
        assert.ok(Math.abs(agoMs - (listed[index]?.agoMs ?? 0)) < 5_000)
    })
  })

  test('where there is no table nobody was stopped', async () => {
    await withFirewall(async (firewall) => {
      await firewall.clear()
      assert.deepEqual(await readingHits(firewall).hits(), [])
    })
  })

  test('an answer without a counter is none: nft is asked', async () => {
    await withFirewall(async (firewall) => {
      await element('hits_in4', '203.0.113.7 counter packets 12 bytes 890 expires 59m')
      await element('hits_in4', '203.0.113.8 expires 59m')
      assert.deepEqual(withoutTimes(await readingHits(firewall).hits()), [
        { side: 'in', address: '203.0.113.7', packets: 12 },
      ])
    })
  })
})

async function withFirewall(work: (firewall: Firewall) => Promise<void>): Promise<void> {
  const firewall = kernelFirewall(await prove(netlinkCarrier(), nft), nft)
  await firewall.prepare()
  try {
    await work(firewall)
  } finally {
    await firewall.clear()
    await firewall.close()
  }
}

function withoutTimes(hits: readonly Hit[]) {
  return hits.map(({ side, address, packets }) => ({ side, address, packets }))
}
