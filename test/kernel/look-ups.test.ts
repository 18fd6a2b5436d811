/** Rules ask only the sets that may hold something: whatever is blocked is stopped all the same. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { readAddress } from '#contract/address.ts'
import type { Firewall, SetName } from '../../agent/kernel/firewall.ts'
import { lookUps } from '../../agent/kernel/look-ups.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { type Nft, nftProgram } from '../../agent/kernel/nft.ts'
import { prove } from '../../agent/kernel/proof.ts'
import { type AnySet, allSets, blockSets, feedSets } from '../../agent/kernel/sets.ts'
import { kernelFirewall } from '../../agent/kernel/table.ts'
import { oneAtATime } from '../../agent/kernel/turns.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { backEnds } from './back-ends.ts'
import { put } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)

const some = allSets.map(({ name }) => name).filter((name) => !/never|hosts/.test(name))
const isBlocks = (set: string): set is SetName => blockSets.some(({ name }) => name === set)

/** What the kernel's rules ask, of a script that it took. */
function askedBy(script: string): Set<string> {
  return new Set([...script.matchAll(/@(\w+)/g)].map(([, name = '']) => name))
}

test('a set that holds something is asked, whatever else comes, goes or fails at the same time', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('fill' as const), set: fc.constantFrom(...some) }),
    fc.record({ do: fc.constant('replace' as const), sets: fc.subarray(some.filter(isBlocks)) }),
    fc.record({ do: fc.constantFrom('wrote' as const, 'spare' as const, 'fail' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 12 }), async (all) => {
      let asked = new Set<string>(some)
      let failing = false
      const ups = lookUps(oneAtATime(), async (script) => {
        await Promise.resolve()
        if (failing) {
          failing = false
          throw new Error('refused')
        }
        asked = askedBy(script)
      })
      const holds = new Set<AnySet>(some)
      for (const together of all) {
        const under = together.map(async (one) => {
          if (one.do === 'fail') failing = true
          else if (one.do === 'spare') await ups.spare()
          else if (one.do === 'wrote') {
            asked = new Set(some)
            ups.wrote()
          } else if (one.do === 'fill') {
            await ups.fill([one.set])
            holds.add(one.set)
          } else if (one.do === 'replace' && together.length === 1) {
            ups.empty()
            await ups.fill(one.sets).catch((error: unknown) => {
              ups.forget()
              throw error
            })
            for (const set of holds) if (isBlocks(set)) holds.delete(set)
            for (const set of one.sets) holds.add(set)
            await ups.spare()
          }
        })
        const failed = (await Promise.allSettled(under)).some(({ status }) => status === 'rejected')
        if (!failed) for (const set of holds) assert.ok(asked.has(set), set)
      }
    }),
  )
})

test('the first host that is blocked does not wait for a rule, nor does a second network', async () => {
  const scripts: string[] = []
  const ups = lookUps(oneAtATime(), async (script) => void scripts.push(script))
  ups.wrote()
  ups.empty()
  for (const half of ['a', 'b'] as const) ups.emptied(feedSets(half))
  await ups.spare()
  assert.equal(scripts.length, 1)
  await ups.fill(['in_hosts4', 'out_hosts6'])
  await ups.spare()
  assert.equal(scripts.length, 1)
  await ups.fill(['in_hosts4', 'in_nets4_24'])
  await ups.fill(['in_nets4_24'])
  assert.equal(scripts.length, 2)
  assert.ok(askedBy(scripts[1] ?? '').has('in_nets4_24'))
})

test('both halves for lists emptied at once write the rules once', {
  skip: kernel.skip,
}, async () => {
  let written = 0
  const nft = nftProgram()
  const counted: Nft = {
    ...nft,
    run: (script) => {
      written++
      return nft.run(script)
    },
  }
  const firewall = kernelFirewall(await prove(netlinkCarrier(), nft), counted)
  await firewall.prepare()
  written = 0
  await Promise.all((['a', 'b'] as const).map((half) => firewall.emptyFeeds(half)))
  assert.equal(written, 1)
  await firewall.clear()
  await firewall.close()
})

for (const { name, make } of backEnds.filter((one) => /^(netlink|nft)$/.test(one.name)))
  describe(`look-ups through ${name}`, { skip: kernel.skip }, () => {
    let firewall: Firewall
    let attacker: Host
    let node: Party

    before(async () => {
      firewall = await make()
      ;({ attacker, node } = await theParties())
    })
    after(async () => {
      await firewall.clear()
      await firewall.close()
    })

    const him = { 4: '203.0.113.7', 6: '2001:db8:a::7' } as const
    const own = { 4: '198.51.100.1', 6: '2001:db8:ffff::1' } as const
    const networks = {
      4: { nets4_24: '203.0.113.0/24', nets4_16: '203.0.0.0/16', rare4: '203.0.113.0/25' },
      6: { nets6_64: '2001:db8:a::/64', nets6_48: '2001:db8:a::/48', rare6: '2001:db8:a::/56' },
    } as const
    const comes = (family: 4 | 6) => delivers(attacker, him[family], node, own[family])
    const goes = (family: 4 | 6) => delivers(node, own[family], attacker, him[family])

    test('an empty table asks for hosts only, and what is blocked first of its kind is stopped at once', async () => {
      await firewall.prepare()
      for (const half of ['a', 'b'] as const) await firewall.emptyFeeds(half)
      assert.deepEqual(asked(), ['in_hosts4', 'in_hosts6', 'out_hosts4', 'out_hosts6'])
      for (const family of [4, 6] as const)
        for (const [kind, text] of Object.entries(networks[family])) {
          await firewall.apply([put(setNamed(`in_${kind}`), text)])
          assert.deepEqual([await comes(family), await goes(family)], [false, true], text)
          await firewall.replace([put(setNamed(`out_${kind}`), text)])
          assert.deepEqual([await comes(family), await goes(family)], [true, false], text)
          assert.ok(!asked().includes(`in_${kind}`))
          await firewall.replace([])
        }
      assert.equal(asked().length, 4)
    })

    test('a list is asked from before it is filled until it is emptied', async () => {
      await firewall.replace([])
      for (const half of ['a', 'b', 'a'] as const) {
        await firewall.fillFeeds(half, [{ address: readAddress(him[4]), timeoutMs: 60_000 }])
        await firewall.emptyFeeds(half === 'a' ? 'b' : 'a')
        assert.deepEqual(
          asked().filter((set) => set.startsWith('feeds')),
          [`feeds4_${half}`, `feeds6_${half}`],
        )
        await firewall.replace([])
        assert.deepEqual([await comes(4), await goes(4), await comes(6)], [false, false, true])
      }
      await firewall.emptyFeeds('a')
      assert.equal(await comes(4), true)
    })

    test('another agent that finds a table asks everything until it has filled it anew', async () => {
      await firewall.replace([put('in_rare4', networks[4].rare4)])
      const next = await make()
      await next.prepare()
      await next.emptyFeeds('a')
      assert.equal(await comes(4), false)
      await next.replace([put('in_nets4_24', networks[4].nets4_24)])
      assert.equal(await comes(4), false)
      assert.ok(!asked().includes('in_rare4'))
      await next.close()
      await firewall.prepare()
      await firewall.replace([])
      assert.equal(await comes(4), true)
    })
  })

function setNamed(text: string): SetName {
  assert.ok(isBlocks(text))
  return text
}

let joined: Promise<{ attacker: Host; node: Party }> | undefined

function theParties() {
  joined ??= (async () => ({
    node: await thisNode(),
    attacker: await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48']),
  }))()
  return joined
}

after(async () => {
  for (const party of Object.values((await joined) ?? {})) await party.close()
})

/** Of the kernel's rules. */
function asked(): string[] {
  const listing = execFileSync('nft', ['-t', 'list', 'table', 'inet', 'cordon']).toString()
  const sets = [...listing.matchAll(/@((?:in|out|feeds)\w+)/g)].map(([, name = '']) => name)
  return [...new Set(sets)].sort()
}
