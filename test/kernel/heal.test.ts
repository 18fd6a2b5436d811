/** The table is mended, remade and watched over, whoever touches it. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readAddress } from '#contract/address.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { backEnds } from './back-ends.ts'
import { isProblem, left, put, within } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)

for (const { name, make } of backEnds.filter(({ name }) => name === 'netlink' || name === 'nft'))
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

    test('preparing again, also after a crash, doubles no rule and keeps what is blocked', async () => {
      await firewall.apply([put('in_hosts4', '203.0.113.7')])
      const rules = await ruleset()
      await firewall.prepare()
      assert.equal(await ruleset(), rules)
      const next = await make()
      await next.prepare()
      assert.equal(await ruleset(), rules)
      within(await left(next, 'in_hosts4', '203.0.113.7'), 50_000, 60_000)
      await next.close()
    })

    test('rules that somebody else changed are as before after preparing', async () => {
      const rules = await ruleset()
      await nft('flush chain inet cordon in4')
      await nft('insert rule inet cordon prerouting accept')
      await firewall.prepare()
      assert.equal(await ruleset(), rules)
    })

    test('another table is left alone', async () => {
      await nft('add table inet others')
      await nft('add chain inet others input { type filter hook input priority 0; }')
      const others = await run('nft', ['list', 'table', 'inet', 'others'])
      await firewall.replace([put('in_hosts4', '203.0.113.7')])
      await firewall.prepare()
      await firewall.clear()
      assert.equal((await run('nft', ['list', 'table', 'inet', 'others'])).stdout, others.stdout)
      await nft('delete table inet others')
    })

    test('clearing removes the table wholly, and twice is no error', async () => {
      await firewall.clear()
      await firewall.clear()
      await assert.rejects(run('nft', ['list', 'table', 'inet', 'cordon']))
    })

    test('a flush of all rules by another process is told within a second, with its name', async () => {
      const told = firstChange(firewall)
      const child = spawn('nft', ['flush', 'ruleset'])
      await once(child, 'exit')
      assert.match(
        await told.what,
        new RegExp(`the table was deleted by nft \\(pid ${child.pid}\\)`),
      )
      told.stop()
    })

    for (const [command, sentence] of [
      ['flush set inet cordon in_hosts4', /elements were removed by nft .*: 2 in in_hosts4/],
      ['delete element inet cordon in_hosts4 { 203.0.113.7 }', /elements were removed .*: 1 in/],
      ['add element inet cordon in_hosts4 { 203.0.113.9 }', /elements were added .*: 1 in/],
      ['flush chain inet cordon in4', /a rule was deleted by nft/],
      ['insert rule inet cordon prerouting accept', /a rule was added by nft/],
      ['add chain inet cordon extra', /a chain was changed by nft/],
    ] as const)
      test(`somebody else's "${command}" is told`, async () => {
        await firewall.apply([put('in_hosts4', '203.0.113.7'), put('in_hosts4', '203.0.113.8')])
        const told = firstChange(firewall)
        await nft(command)
        assert.match(await told.what, sentence)
        told.stop()
      })

    test('its own changes, however many, and those to other tables are not told', async () => {
      const told = firstChange(firewall)
      const many = Array.from({ length: 20_000 }, (_, index) =>
        put('in_hosts4', `198.18.${index >> 8}.${index & 255}`),
      )
      await firewall.apply(many.slice(0, 100))
      await firewall.apply(many)
      await firewall.replace(many)
      await firewall.setNever([readAddress('203.0.113.1')])
      await firewall.prepare()
      await nft('add table inet others')
      await nft('delete table inet others')
      await nft('delete table inet cordon')
      assert.match(await told.what, /the table was deleted/)
      told.stop()
    })

    test('a change by another process during a large transaction is noticed', async () => {
      const told = firstChange(firewall)
      const many = Array.from({ length: 60_000 }, (_, index) =>
        put('in_hosts4', `198.18.${index >> 8}.${index & 255}`),
      )
      await Promise.all([firewall.replace(many), nft('flush chain inet cordon in4')])
      assert.match(await told.what, /a rule was deleted|by another process during/)
      told.stop()
    })

    test('a large transaction that is under way when the watch ends is done all the same', async () => {
      const told = firstChange(firewall)
      const many = Array.from({ length: 20_000 }, (_, index) =>
        put('in_hosts4', `198.18.${index >> 8}.${index & 255}`),
      )
      const replaced = firewall.replace(many)
      await Promise.resolve()
      told.stop()
      await replaced
    })

    test('a table of another version stays in force until all is filled anew in one transaction', async () => {
      await firewall.clear()
      await nft('add table inet cordon { comment "cordon structure 0"; }')
      await nft('add set inet cordon old { type ipv4_addr; flags timeout; }')
      await nft('add chain inet cordon old { type filter hook prerouting priority -300; }')
      await nft('add rule inet cordon old ip saddr @old drop')
      await nft('add element inet cordon old { 203.0.113.7 timeout 60s }')
      await firewall.prepare()
      await firewall.setNever([readAddress('203.0.113.1')])
      const change = put('in_hosts4', '203.0.113.7')
      await assert.rejects(firewall.apply([change]), isProblem('kernel_refused', /another version/))
      assert.equal(await comesIn('203.0.113.7'), false)
      const mark = `upgrade ${performance.now()}`
      await attacker.flood('203.0.113.7', node.address4, mark)
      await firewall.replace([change, put('in_nets4_24', '203.0.113.0/24')])
      assert.ok((await attacker.stopFlood()) > 0)
      assert.equal(await comesIn('203.0.113.7'), false)
      assert.equal(await comesIn('203.0.113.1'), true)
      assert.equal(await node.count(mark), 0)
      assert.doesNotMatch(await ruleset(), /old/)
      await firewall.apply([put('in_hosts6', '2001:db8:a::1')])
      within(await left(firewall, 'in_hosts6', '2001:db8:a::1'), 50_000, 60_000)
    })

    test('after the table is gone a change is refused, and preparing and replacing heals it', async () => {
      await nft('delete table inet cordon')
      const change = put('in_hosts4', '203.0.113.7')
      await assert.rejects(firewall.apply([change]), isProblem('kernel_refused'))
      await firewall.prepare()
      await firewall.replace([change])
      assert.equal(await comesIn('203.0.113.7'), false)
    })
  })

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

function comesIn(from: string): Promise<boolean> {
  return delivers(attacker, from, node, node.address4)
}

async function ruleset(): Promise<string> {
  return (await run('nft', ['-t', 'list', 'ruleset'])).stdout
}

/** As a person at the same machine would. */
async function nft(command: string): Promise<void> {
  const child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(`${command}\n`)
  assert.deepEqual(await once(child, 'close'), [0, null])
}

/** The first thing that is told, which must be within a second of being asked for, by the turns of this process. */
function firstChange(firewall: Firewall) {
  let tell = (_: string) => {}
  const heard = new Promise<string>((resolve) => {
    tell = resolve
  })
  const stop = firewall.watch((what) => tell(what))
  return {
    stop,
    get what(): Promise<string> {
      return Promise.race([heard, aSecond().then(() => 'nothing was told within a second')])
    },
  }
}

/** In steps, each of which lets all that is due in this process have its turn, however busy the machine is. */
async function aSecond(): Promise<void> {
  for (let step = 0; step < 10; step++) await pause(100)
}
