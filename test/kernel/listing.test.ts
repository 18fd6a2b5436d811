/** Where the kernel's notifications cannot be heard, the table is listed now and then. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { watchListing } from '../../agent/kernel/listing.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { type Nft, nftProgram } from '../../agent/kernel/nft.ts'
import { prove } from '../../agent/kernel/proof.ts'
import { kernelFirewall } from '../../agent/kernel/table.ts'
import { ownNamespace } from '../namespace.ts'
import { put } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const nft = nftProgram()

describe('by listing the table', { skip: kernel.skip }, () => {
  let firewall: ReturnType<typeof kernelFirewall>
  before(async () => {
    firewall = kernelFirewall(await prove(netlinkCarrier(), nft), nft)
  })
  beforeEach(() => firewall.prepare())
  after(async () => {
    await firewall.clear()
    await firewall.close()
  })

  test('a flush of all rules by another process is noticed', async () => {
    const watch = await watching()
    await nft.run('flush ruleset')
    assert.equal(await watch.told(), 'the table was deleted')
    watch.stop()
  })

  for (const change of [
    'flush chain inet cordon in4',
    'insert rule inet cordon prerouting accept',
    'add set inet cordon mine { type ipv4_addr; }',
  ])
    test(`"${change}" by another process is noticed`, async () => {
      const watch = await watching()
      await nft.run(change)
      assert.equal(await watch.told(), 'the table, a chain or a rule was changed')
      watch.stop()
      await firewall.clear()
    })

  test('what this agent does itself is none of it: blocks, and mending what is whole', async () => {
    const watch = await watching()
    await firewall.apply([put('in_hosts4', '203.0.113.7')])
    await firewall.prepare()
    await watch.looks(2)
    assert.deepEqual(watch.all, [])
    watch.stop()
  })

  test('what this agent changes of sets and rules is none of it, and the next change of others is', async () => {
    const watch = await watching()
    await watch.own(() => nft.run('add set inet cordon own { type ipv4_addr; }'))
    await watch.looks(2)
    assert.deepEqual(watch.all, [])
    await nft.run('delete set inet cordon own')
    assert.equal(await watch.told(), 'the table, a chain or a rule was changed')
    watch.stop()
    await firewall.clear()
  })

  test('a listing that fails is told, and it is looked at again', async () => {
    const broken: Nft = { ...nft, list: () => Promise.reject(new Error('nft was removed')) }
    const watch = await watching(broken)
    assert.match(await watch.told(), /cannot be listed: Error: nft was removed/)
    await watch.looks(2)
    watch.stop()
  })
})

/** Resolves when it has looked once. */
async function watching(by: Nft = nft) {
  const all: string[] = []
  let looked = 0
  const waiting = new Set<() => void>()
  const until = async (so: () => boolean) => {
    while (!so()) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.add(resolve)
      await promise
      waiting.delete(resolve)
    }
  }
  const notify = () => {
    for (const resolve of waiting) resolve()
  }
  const counted: Nft = {
    ...by,
    list: (...words) => {
      looked++
      notify()
      return by.list(...words)
    },
  }
  const tell = (what: string) => {
    all.push(what)
    notify()
  }
  const watcher = watchListing(counted, tell, 20)
  // The second begins only after the first has ended.
  await until(() => looked >= 2)
  return {
    all,
    looks: (more: number) => {
      const from = looked
      return until(() => looked > from + more)
    },
    told: async () => {
      await until(() => all.length > 0)
      return all[0] ?? ''
    },
    own: watcher.own,
    stop: () => watcher.stop(),
  }
}
