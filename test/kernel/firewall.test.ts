/** What the firewall does to real packets, through every back end. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { readAddress } from '#contract/address.ts'
import type { Firewall, SetName } from '../../agent/kernel/firewall.ts'
import { beforeEnd } from '../before-end.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { backEnds } from './back-ends.ts'
import { isProblem, keepsPromises, kinds, left, put, remove } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)

for (const { name, packets, make } of backEnds)
  describe(`through ${name}`, {
    skip: name.startsWith('nft') ? kernel.skipLarge : kernel.skip,
  }, () => {
    let firewall: Firewall
    before(async () => {
      firewall = await make()
      await firewall.prepare()
    })
    after(async () => {
      await firewall.clear()
      await firewall.close()
    })
    keepsPromises(() => firewall)
    if (packets) dropsPackets(() => firewall)
  })

function dropsPackets(firewall: () => Firewall): void {
  let attacker: Host
  let inner: Host
  let node: Party

  before(async () => {
    ;({ attacker, inner, node } = await theParties())
    await firewall().replace([])
  })

  const comesIn = (from: string) => delivers(attacker, from, node, nodeAddress(from))
  const goesOut = (to: string) => delivers(node, nodeAddress(to), attacker, to)

  for (const { kind, text, covers, spares } of kinds) {
    test(`a block of ${text} drops what comes from all of it, and nothing else`, async () => {
      await firewall().apply([put(`in_${kind}`, text)])
      for (const from of covers) assert.equal(await comesIn(from), false, from)
      for (const from of spares) assert.equal(await comesIn(from), true, from)
      for (const to of covers) assert.equal(await goesOut(to), true, to)
      await firewall().apply([remove(`in_${kind}`, text)])
      for (const from of covers) assert.equal(await comesIn(from), true, from)
    })

    test(`an outward block of ${text} drops what goes to all of it, and nothing else`, async () => {
      await firewall().apply([put(`out_${kind}`, text)])
      for (const to of covers) assert.equal(await goesOut(to), false, to)
      for (const to of spares) assert.equal(await goesOut(to), true, to)
      for (const from of covers) assert.equal(await comesIn(from), true, from)
      await firewall().apply([remove(`out_${kind}`, text)])
      for (const to of covers) assert.equal(await goesOut(to), true, to)
    })
  }

  test('traffic that the node forwards is blocked in both directions', async () => {
    for (const [kind, far, near] of [
      ['hosts4', '203.0.113.7', '192.0.2.200'],
      ['hosts6', '2001:db8:a::7', '2001:db8:b::1'],
    ] as const) {
      await firewall().apply([put(`in_${kind}`, far)])
      assert.equal(await delivers(attacker, far, inner, near), false)
      assert.equal(await delivers(inner, near, attacker, far), true)
      await firewall().apply([remove(`in_${kind}`, far), put(`out_${kind}`, far)])
      assert.equal(await delivers(attacker, far, inner, near), true)
      assert.equal(await delivers(inner, near, attacker, far), false)
      await firewall().apply([remove(`out_${kind}`, far)])
    }
  })

  test('a block ends in the kernel when its time is over', async () => {
    let [started, lasts] = [0, 0]
    const seen = await beforeEnd(300, async (ms) => {
      ;[started, lasts] = [performance.now(), ms]
      await firewall().apply([
        put('in_hosts4', '203.0.113.7', ms),
        put('in_rare4', '192.0.2.0/26', ms),
      ])
      return [await comesIn('203.0.113.7'), await comesIn('192.0.2.5')]
    })
    assert.deepEqual(seen, [false, false])
    await gone(firewall(), 'in_hosts4', '203.0.113.7')
    await gone(firewall(), 'in_rare4', '192.0.2.0/26')
    assert.ok(performance.now() - started >= lasts - 10, 'it ended early')
    assert.equal(await comesIn('203.0.113.7'), true)
    assert.equal(await comesIn('192.0.2.5'), true)
  })

  test('lifting what has just expired breaks nothing', async () => {
    await firewall().apply([
      put('in_hosts4', '203.0.113.7', 20),
      put('in_rare4', '203.0.113.64/27', 20),
      put('in_hosts4', '203.0.113.8'),
    ])
    await gone(firewall(), 'in_hosts4', '203.0.113.7')
    await gone(firewall(), 'in_rare4', '203.0.113.64/27')
    await firewall().apply([
      remove('in_hosts4', '203.0.113.7'),
      remove('in_rare4', '203.0.113.64/27'),
      remove('in_hosts4', '203.0.113.8'),
    ])
    assert.equal(await comesIn('203.0.113.8'), true)
  })

  test('a host and the network around it live side by side', async () => {
    await firewall().apply([put('in_hosts4', '203.0.113.7'), put('in_nets4_24', '203.0.113.0/24')])
    await firewall().apply([remove('in_nets4_24', '203.0.113.0/24')])
    assert.equal(await comesIn('203.0.113.7'), false)
    assert.equal(await comesIn('203.0.113.8'), true)
    await firewall().apply([
      put('in_nets4_24', '203.0.113.0/24'),
      remove('in_hosts4', '203.0.113.7'),
    ])
    assert.equal(await comesIn('203.0.113.7'), false)
    await firewall().apply([remove('in_nets4_24', '203.0.113.0/24')])
  })

  test('a batch with one bad element changes nothing', async () => {
    await firewall().apply([put('in_rare4', '203.0.113.64/27')])
    const batch = [put('in_hosts4', '203.0.113.7'), put('in_rare4', '203.0.113.64/26')]
    await assert.rejects(firewall().apply(batch), isProblem('kernel_refused'))
    assert.equal(await left(firewall(), 'in_hosts4', '203.0.113.7'), undefined)
    assert.equal(await comesIn('203.0.113.7'), true)
    await firewall().apply([remove('in_rare4', '203.0.113.64/27')])
  })

  test('a full set is told, and what it held before stays', async () => {
    await firewall().replace([put('in_hosts4', '203.0.113.7')])
    const many = Array.from({ length: 33_000 }, (_, index) =>
      put('in_rare4', `198.${18 + (index >> 15)}.${(index >> 7) & 255}.${(index * 2) & 255}/31`),
    )
    await assert.rejects(firewall().replace(many), isProblem('kernel_refused', /full/))
    assert.equal(await comesIn('203.0.113.7'), false)
    await firewall().replace([])
  })

  test('an address that must never be blocked passes whatever the sets say', async () => {
    await firewall().setNever([
      readAddress('203.0.113.7'),
      readAddress('203.0.113.0/28'),
      readAddress('203.0.113.16/28'),
      readAddress('2001:db8:a:5::/64'),
    ])
    await firewall().apply([
      put('in_nets4_24', '203.0.113.0/24'),
      put('out_hosts4', '203.0.113.7'),
      put('in_nets6_48', '2001:db8:a::/48'),
    ])
    for (const from of ['203.0.113.7', '203.0.113.1', '203.0.113.31', '2001:db8:a:5::9'])
      assert.equal(await comesIn(from), true, from)
    assert.equal(await goesOut('203.0.113.7'), true)
    for (const from of ['203.0.113.32', '2001:db8:a:6::9'])
      assert.equal(await comesIn(from), false, from)
    await firewall().setNever([])
    assert.equal(await comesIn('203.0.113.7'), false)
    await firewall().replace([])
  })

  test('what passes inward is still judged outward', async () => {
    await firewall().setNever([readAddress('203.0.113.7')])
    await firewall().apply([put('in_hosts4', '203.0.113.7'), put('out_hosts4', '192.0.2.200')])
    assert.equal(await delivers(attacker, '203.0.113.7', inner, '192.0.2.200'), false)
    await firewall().setNever([])
    await firewall().replace([])
  })

  test('replacing ten thousand leaves no gap for one packet', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) =>
      put('in_hosts4', `198.18.${index >> 8}.${index & 255}`),
    )
    const networks = [put('in_rare4', '203.0.113.64/27'), put('in_nets6_64', '2001:db8:a:5::/64')]
    const kept = [put('in_hosts4', '203.0.113.7'), ...networks, ...many]
    await firewall().replace(kept)
    for (const [from, mark] of [
      ['203.0.113.7', 'gap-host'],
      ['203.0.113.70', 'gap-rare'],
      ['2001:db8:a:5::1', 'gap-net'],
    ] as const) {
      const unique = `${mark} ${performance.now()}`
      // Whoever floods has to get his turn on a busy machine.
      for (let sent = 0; sent <= 20; sent += await attacker.stopFlood()) {
        await attacker.flood(from, nodeAddress(from), unique)
        for (let round = 0; round < 3; round++) await firewall().replace(kept)
      }
      assert.equal(await delivers(attacker, '203.0.113.8', node, node.address4), true)
      assert.equal(await node.count(unique), 0)
    }
    await firewall().replace([])
  })

  test('an established TCP connection is cut at once', async () => {
    for (const [set, from] of [
      ['in_hosts4', '203.0.113.9'],
      ['in_hosts6', '2001:db8:a::9'],
    ] as const) {
      const connection = await attacker.open(from, nodeAddress(from))
      const before = `before ${performance.now()}`
      await attacker.say(connection, before)
      assert.equal(await node.arrived(before, 10_000), true)
      await firewall().apply([put(set, from)])
      const late = `late ${performance.now()}`
      await attacker.say(connection, late)
      assert.equal(await delivers(attacker, '203.0.113.8', node, node.address4), true)
      assert.equal(await node.arrived(late, 30), false)
    }
    await firewall().replace([])
  })

  const nodeAddress = (peer: string) => (peer.includes(':') ? node.address6 : node.address4)
}

let parties: Promise<{ attacker: Host; inner: Host; node: Party }> | undefined

function theParties() {
  parties ??= (async () => ({
    node: await thisNode(),
    attacker: await host('attacker', [
      '203.0.113.0/24',
      '192.0.2.0/25',
      '2001:db8:a::/48',
      '2001:db8:c::/48',
    ]),
    inner: await host('inner', ['192.0.2.128/25', '2001:db8:b::/48']),
  }))()
  return parties
}

after(async () => {
  for (const party of Object.values((await parties) ?? {})) await party.close()
})

/** The kernel keeps the time, so it is asked until it says so. */
async function gone(firewall: Firewall, set: SetName, text: string): Promise<void> {
  const deadline = performance.now() + 30_000
  while ((await left(firewall, set, text)) !== undefined) {
    assert.ok(performance.now() < deadline, `${text} did not end`)
    await pause(10)
  }
}
