/** What a node accepts always fits its kernel, and the kernel alone ends it at the right time. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { protectedHere } from '../../agent/guard.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { mostIntervals } from '../../agent/kernel/sets.ts'
import { puts } from '../../agent/plan.ts'
import type { Claim } from '../../agent/wished.ts'
import { acceptingNode } from '../agent/accepting.ts'
import { block, decision, lift, today } from '../agent/signer.ts'
import { beforeEnd } from '../before-end.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { backEnds } from './back-ends.ts'
import { left, within } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'cordon-kernel-room-'))
after(() => rmSync(folder, { recursive: true }))

let attacker: Host
let node: Party
before(async () => {
  if (kernel.skip) return
  node = await thisNode()
  attacker = await host('attacker', ['203.0.113.0/24'])
})
after(async () => {
  if (kernel.skip) return
  await attacker.close()
  await node.close()
})

for (const { name, make } of backEnds.filter(({ packets }) => packets))
  describe(`through ${name}`, {
    skip: name.startsWith('nft') ? kernel.skipLarge : kernel.skip,
  }, () => {
    let firewall: Firewall
    beforeEach(async () => {
      firewall = await make()
      await firewall.prepare()
    })
    afterEach(async () => {
      await firewall.clear()
      await firewall.close()
    })

    test('an outer network that ends while nobody is there leaves the inner one blocked', async () => {
      const seen = await beforeEnd(700, async (ms) => {
        const { changes, step } = acceptingNode(folder)
        step('all', [
          block(1, { target: '203.0.113.0/25', not_after: today + ms }),
          block(2, { target: '203.0.113.64/27' }),
        ])
        await firewall.replace([])
        await firewall.apply(changes())
        const passed: string[] = []
        for (const last of [1, 70, 127, 128])
          if (await comesIn(`203.0.113.${last}`)) passed.push(`203.0.113.${last}`)
        return passed
      })
      assert.deepEqual(seen, ['203.0.113.128'])
      await passes('203.0.113.1')
      assert.equal(await comesIn('203.0.113.127'), true)
      assert.equal(await comesIn('203.0.113.70'), false)
      within(await left(firewall, 'in_rare4', '203.0.113.64/27'), 500_000, 600_000)
    })

    test('inner and outer networks come, change and go without one refusal', async () => {
      const { changes, step } = acceptingNode(folder)
      const long = today + 900_000
      const steps = [
        [block(1, { target: '203.0.113.0/25' })],
        [block(2, { target: '203.0.113.64/27', not_after: long })],
        [
          block(3, { target: '203.0.113.64/28', not_after: long + 1 }),
          block(4, { target: '203.0.112.0/22' }),
        ],
        [block(1, { target: '203.0.113.0/25', not_after: long + 2 })],
        [block(1, { target: '203.0.113.0/25', not_after: today + 1 })],
        [lift(2), block(5, { target: '203.0.113.80/28', not_after: long })],
        [lift(1), lift(4)],
      ]
      for (const actions of steps) {
        step('all', actions)
        await firewall.apply(changes())
      }
      for (const [from, passes] of [
        ['203.0.113.63', true],
        ['203.0.113.64', false],
        ['203.0.113.95', false],
        ['203.0.113.96', true],
      ] as const)
        assert.equal(await comesIn(from), passes, from)
    })
  })

describe('a kernel that is asked for all that may be', { skip: kernel.skipLarge }, () => {
  let firewall: Firewall
  before(async () => {
    const [netlink] = backEnds
    assert.ok(netlink)
    firewall = await netlink.make()
    await firewall.prepare()
  })
  after(async () => {
    await firewall.clear()
    await firewall.close()
  })

  test('takes the rare networks of two audiences that together are too many, but for what was refused', async () => {
    const { load, changes, answered } = acceptingNode(folder)
    load('group/web', rare('group/web', 0, 9_000))
    load('all', [...rare('all', 9_000, 9_000), host1])
    await firewall.apply(changes())
    assert.equal(answered('refused').length, 8_000)
    within(await left(firewall, 'in_rare4', textOf(0)), 500_000, 600_000)
    within(await left(firewall, 'in_rare4', textOf(9_999)), 500_000, 600_000)
    assert.equal(await left(firewall, 'in_rare4', textOf(10_000)), undefined)
    within(await left(firewall, 'in_hosts4', host1.target), 500_000, 600_000)
  })

  test('takes as many pieces of nested networks as are let through, step by step and as a whole', async () => {
    const { load, changes, answered, wished } = acceptingNode(folder)
    const inner = Array.from({ length: 1_000 }, (_, n) => ({
      ...claim('all', n, `2001:db8:0:${((n + 1) * 64).toString(16)}::/60`),
      end: today + 900_000,
    }))
    load('all', [claim('all', 1_000, '2001:db8::/47'), ...inner])
    await firewall.apply(changes())
    assert.ok(answered('refused').length > 0)
    await firewall.replace(puts(wished.elements(), today))
    load('all', inner)
    await firewall.apply(changes())
    within(await left(firewall, 'in_rare6', inner[0]?.target ?? ''), 800_000, 900_000)
  })

  test('takes as many addresses that are never blocked as the guard lets through', async () => {
    const texts = Array.from({ length: mostIntervals - 1 }, (_, n) => textOf(n))
    const here = protectedHere([], { admin_networks: texts })
    await firewall.setNever(here.map(({ address }) => address))
    await firewall.setNever(here.map(({ address }) => address))
  })
})

const host1: Claim = claim('all', 50_000, '203.0.113.7')

function rare(audience: string, from: number, count: number): Claim[] {
  return Array.from({ length: count }, (_, n) => claim(audience, from + n, textOf(from + n)))
}

/** /30s side by side. */
function textOf(n: number): string {
  return `198.${18 + (n >> 14)}.${(n >> 6) & 255}.${(n & 63) * 4}/30`
}

function claim(audience: string, n: number, target: string): Claim {
  return { audience, decision: decision(n), target, direction: 'in', end: today + 600_000 }
}

function comesIn(from: string): Promise<boolean> {
  return delivers(attacker, from, node, node.address4)
}

/** The kernel keeps the time, so it is asked until it lets through. */
async function passes(from: string): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await comesIn(from))) {
    assert.ok(performance.now() < deadline, `${from} did not end`)
    await pause(20)
  }
}
