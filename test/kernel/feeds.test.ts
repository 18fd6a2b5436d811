/** Lists that are enforced as a whole, in a real kernel. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { readAddress } from '#contract/address.ts'
import type { FeedElement, Firewall } from '../../agent/kernel/firewall.ts'
import { listNode } from '../agent/list-node.ts'
import { feedStatement, list, today } from '../agent/signer.ts'
import { beforeEnd } from '../before-end.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { backEnds } from './back-ends.ts'
import { put, within } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'cordon-feeds-'))
const drop = ['203.0.113.0/25', '203.0.113.200', '2001:db8:a:8000::/49']
let count = 0

for (const { name, make } of backEnds.filter(({ name }) => name === 'netlink' || name === 'nft'))
  describe(`a list that is enforced as a whole, through ${name}`, {
    skip: name.startsWith('nft') ? kernel.skipLarge : kernel.skip,
  }, () => {
    let firewall: Firewall
    let listing: ReturnType<typeof listNode>
    beforeEach(async () => {
      firewall = await make()
      await firewall.prepare()
      listing = listNode({ firewall, folder: join(folder, String(count++)) })
    })
    afterEach(async () => {
      await listing.feeds.stop()
      await firewall.clear()
      await firewall.close()
    })

    test('cuts what comes from its networks and what goes to them, and nothing beside', async () => {
      await listing.enforce(today, list('drop', today, drop))
      for (const text of ['203.0.113.0', '203.0.113.127', '203.0.113.200', '2001:db8:a:8000::1']) {
        assert.equal(await comesIn(text), false, text)
        assert.equal(await goesOut(text), false, text)
      }
      for (const text of ['203.0.113.128', '203.0.113.199', '203.0.113.201', '2001:db8:a:7fff::1'])
        assert.equal(await comesIn(text), true, text)
    })

    test('lets what the node protects pass, also where it learns of it only later', async () => {
      listing.here.push({ address: readAddress('203.0.113.10'), why: 'default gateway' })
      await listing.enforce(today, list('drop', today, drop))
      assert.equal(await comesIn('203.0.113.10'), true)
      assert.equal(await comesIn('203.0.113.11'), false)
      await firewall.setNever([readAddress('203.0.113.20')])
      assert.equal(await comesIn('203.0.113.20'), true)
    })

    test('is replaced as a whole, and what stays is never missing', async () => {
      await listing.enforce(today, list('drop', today, drop))
      const mark = `replacing ${name}`
      await attacker.flood('203.0.113.7', node.address4, mark)
      for (let version = today + 1; version < today + 6; version++)
        await listing.enforce(
          version,
          list('drop', version, [`203.0.113.0/${25 + (version % 2)}`, '203.0.113.240/28']),
        )
      assert.ok((await attacker.stopFlood()) > 0)
      assert.equal(await comesIn('203.0.113.200'), true)
      assert.equal(await comesIn('203.0.113.250'), false)
      assert.equal(await node.count(mark), 0)
    })

    test('leaves the blocks alone, and is left alone by them', async () => {
      await firewall.apply([put('in_hosts4', '203.0.113.130')])
      await listing.enforce(today, list('drop', today, drop))
      await firewall.replace([put('in_hosts4', '203.0.113.131')])
      assert.equal(await comesIn('203.0.113.7'), false)
      await listing.enforce(today + 1)
      assert.equal(await comesIn('203.0.113.7'), true)
      assert.equal(await comesIn('203.0.113.131'), false)
    })

    test('ends by itself in the kernel when agent and service are dead', async () => {
      const seen = await beforeEnd(700, async (ms) => {
        const version = today + ms
        await listing.enforce(version, list('drop', version, drop, { not_after: today + ms }))
        return comesIn('203.0.113.7')
      })
      assert.equal(seen, false)
      await listing.feeds.stop()
      await until('the list has ended', async () => !(await comesIn('203.0.113.7')) && 'still cut')
    })

    test('stays in force while the agent begins anew, and while it is healed', async () => {
      await listing.enforce(today, list('drop', today, drop))
      const mark = `restart ${name}`
      await attacker.flood('203.0.113.7', node.address4, mark)
      await listing.feeds.stop()
      const next = await make()
      await next.prepare()
      const again = listNode({ firewall: next, folder: join(folder, String(count - 1)) })
      again.feeds.load()
      await again.feeds.settled()
      again.feeds.heal()
      await again.feeds.settled()
      assert.ok((await attacker.stopFlood()) > 0)
      assert.equal(await comesIn('203.0.113.200'), false)
      assert.equal(await node.count(mark), 0)
      await again.feeds.stop()
      await next.close()
    })

    test('comes back when somebody has emptied its set', async () => {
      await listing.enforce(today, list('drop', today, drop))
      const told: string[] = []
      const stop = firewall.watch((what) => {
        told.push(what)
        listing.feeds.heal()
      })
      await run('nft', ['flush', 'set', 'inet', 'cordon', 'feeds4_a'])
      await until('it is healed', async () => (await comesIn('203.0.113.7')) && 'it comes in')
      assert.match(told[0] ?? '', /elements were removed by nft .*feeds4_a/)
      stop()
    })

    test('of a hundred thousand networks is loaded while single blocks go before its steps', async () => {
      const order: string[] = []
      const watched: string[] = []
      const stop = firewall.watch((what) => watched.push(what))
      let block: Promise<void> | undefined
      const filling = firewall.fillFeeds(
        'a',
        many(100_000, () => {
          // While the second step is worked out the first is in the kernel.
          block ??= firewall
            .apply([put('in_hosts4', '203.0.113.130')])
            .then(() => void order.push('block'))
        }),
      )
      const filled = filling.then((entries) => {
        order.push('list')
        return entries
      })
      assert.equal(await filled, 100_000)
      await block
      assert.deepEqual(order, ['block', 'list'])
      assert.deepEqual(watched, [], 'its own changes are not told')
      const { stdout } = await run('nft', [
        'get',
        'element',
        'inet',
        'cordon',
        'feeds4_a',
        '{ 198.18.0.8 }',
      ])
      assert.match(stdout, /198\.18\.0\.8\/30/)
      await firewall.emptyFeeds('a')
      stop()
    })
  })

describe('on the way to a node', { skip: kernel.skip }, () => {
  test('a statement that was overheard yesterday brings nothing back', async () => {
    const [, netlink] = [undefined, backEnds[0]]
    const firewall = await (netlink ?? assert.fail()).make()
    await firewall.prepare()
    const listing = listNode({ firewall, folder: join(folder, String(count++)) })
    const overheard = feedStatement('all', today, [list('drop', today, drop).named])
    await listing.enforce(today, list('drop', today, drop))
    assert.equal(await comesIn('203.0.113.7'), false)
    await listing.enforce(today + 1)
    await listing.feeds.take(overheard)
    await listing.feeds.settled()
    assert.equal(await comesIn('203.0.113.7'), true)
    within(listing.feeds.receipts.length, 0, 0)
    await listing.feeds.stop()
    await firewall.clear()
    await firewall.close()
  })
})

let attacker: Host
let node: Party

before(async () => {
  if (kernel.skip) return
  node = await thisNode()
  attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
})

after(async () => {
  rmSync(folder, { recursive: true, force: true })
  if (kernel.skip) return
  await attacker.close()
  await node.close()
})

function comesIn(from: string): Promise<boolean> {
  return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
}

function goesOut(to: string): Promise<boolean> {
  return delivers(node, to.includes(':') ? node.address6 : node.address4, attacker, to)
}

/** Networks that do not touch; `second` is called when a second step is begun. */
function* many(size: number, second: () => void): Generator<FeedElement> {
  for (let index = 0; index < size; index++) {
    if (index === 5_001) second()
    const at = index * 8
    const address = readAddress(`198.${18 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}/30`)
    yield { address, timeoutMs: 600_000 }
  }
}
