/** One suite of real packets over every back end: on the node and through it, over IPv4 and IPv6. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Action } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { block, decision, lift, today } from '../agent/signer.ts'
import { beforeEnd } from '../before-end.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { type Case, cases, type Path, type Place, paths, places, type Step } from './cases.ts'
import { type BackEnd, conformingNode, everyBackEnd } from './conforming.ts'

const kernel = await ownNamespace(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'cordon-conformance-'))
let [attacker, inner, outer]: Host[] = []
let node: Party

before(async () => {
  if (kernel.skip) return
  node = await thisNode()
  attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
  inner = await host('inner', ['192.0.2.128/25', '2001:db8:b::/48'])
  outer = await host('outer', ['192.0.2.64/26', '2001:db8:c::/48'])
})
after(async () => {
  rmSync(folder, { recursive: true })
  for (const party of [attacker, inner, outer, kernel.skip ? undefined : node]) await party?.close()
})

for (const backEnd of everyBackEnd)
  describe(`through ${backEnd.name}`, { skip: skipped(backEnd) }, () => {
    let firewall: Firewall
    let agent: ReturnType<typeof conformingNode>

    before(async () => {
      firewall = await backEnd.make()
      agent = conformingNode(firewall, folder)
      await agent.heal()
    })
    after(async () => {
      await agent.stop()
      await firewall.clear()
      await firewall.close()
    })

    for (const one of cases)
      test(one.name, async () => {
        await carryOut(one)
        await agent.liftAll()
        for (const half of ['a', 'b'] as const) await firewall.emptyFeeds(half)
      })

    async function carryOut({ steps }: Case): Promise<void> {
      for (const step of steps) {
        await take(step)
        assert.deepEqual(refusalsOf(step), [])
        if (step.stops && !step.counts) await stopsOnly(step.stops, step.among)
        for (const place of places) {
          for (const [path, packets, pass] of step.counts ?? [])
            assert.equal(await passing(place, path, packets), pass, `${place.family} ${path}`)
          if (step.told) assert.match(await connecting(place), /ECONNREFUSED/)
        }
        if (step.counts && step.stops) await stopsOnly(step.stops, step.among)
      }
    }

    async function take({ orders, list, never }: Step): Promise<void> {
      if (list) {
        const networks = places.flatMap(list.networks).map(readAddress)
        const elements = networks.map((address) => ({ address, timeoutMs: 60_000 }))
        assert.equal(await firewall.fillFeeds(list.half, elements), networks.length)
      }
      if (never) {
        const addresses = places.flatMap(never).map(readAddress)
        await agent.protect(addresses.map((address) => ({ address, why: 'a gateway' })))
      }
      if (orders) await agent.order(...places.flatMap(orders))
    }

    function refusalsOf({ orders }: Step): string[] {
      return places
        .flatMap((place) => orders?.(place) ?? [])
        .flatMap((action) => {
          const answer = agent.answerTo(action.decision)
          return answer?.status === 'refused' ? [String(answer.code)] : []
        })
    }

    test('the kernel alone keeps the times: what ends, is extended, shortened, and held twice', async () => {
      const hosts = (place: Place) =>
        ['21', '22', '23', '24', '25'].map((end) => place.him.replace(/7$/, end))
      const orders = (place: Place, only: readonly number[], not_after: number) =>
        only.map((index) =>
          block(0, {
            decision: decision(place.number + index),
            target: hosts(place)[index % 10] ?? '',
            not_after,
          }),
        )
      const each = (only: readonly number[], end: number) =>
        agent.order(...places.flatMap((place) => orders(place, only, end)))
      const now = () =>
        Promise.all(
          places.flatMap((place) => hosts(place).map((from) => arrives(place, 'comes', from))),
        )
      const first = await beforeEnd(900, async (ms) => {
        const soon = today + ms
        await agent.liftAll()
        // Which ends, which is extended, which is shortened, which is held by two decisions; and an allow that ends.
        await each([0, 1, 3], soon)
        await each([2, 13, 4], today + 600_000)
        await each([1], today + 600_000)
        await each([2], soon)
        await agent.order(
          ...places.flatMap((place) =>
            orders(place, [14], soon).map((order) => ({ ...order, action: 'allow' as const })),
          ),
        )
        return now()
      })
      assert.deepEqual(
        first,
        [...places].flatMap(() => [false, false, false, false, true]),
      )
      const later = [...places].flatMap(() => [true, false, true, false, false])
      const deadline = performance.now() + 60_000
      while (!same(await now(), later)) {
        assert.ok(performance.now() < deadline, `it is ${await now()}`)
        await pause(50)
      }
      await agent.liftAll()
    })

    // Only there are counts forgotten after a time, which must be longer than it takes to be full again.
    if (backEnd.name.startsWith('ipset'))
      test('a pause fills the burst of a limit only as fast as its rate', async () => {
        const slow = { packets: 1, per: 'second', burst: 7 } as const
        const each = places.map((place) => ({
          ...block(place.number),
          ...{ action: 'limit' as const, target: place.him, rate: slow },
        }))
        const began = performance.now()
        await agent.order(...each)
        const pass = () => Promise.all(places.map((place) => passing(place, 'comes', 10)))
        const full = await pass()
        await pause(2_300)
        const after = await pass()
        // One more than the seconds that went by, since the first of them had begun.
        const most = 7 + (performance.now() - began) / 1_000 + 1
        for (const [at, count] of full.entries()) {
          const later = after[at] ?? 0
          assert.ok(count >= 7 && later >= 1, `${count} and ${later} passed`)
          assert.ok(count + later <= most, `${count} and ${later} passed, of ${most}`)
        }
        await agent.liftAll()
      })

    test('an established connection is cut at once', async () => {
      for (const place of places) {
        const connection = await theAttacker().open(place.him, place.node)
        await theAttacker().say(connection, `early ${place.family} ${backEnd.name}`)
        assert.equal(await node.arrived(`early ${place.family} ${backEnd.name}`, 10_000), true)
        await agent.order(block(0, { target: place.him, decision: decision(place.number) }))
        await theAttacker().say(connection, `late ${place.family} ${backEnd.name}`)
        assert.equal(await arrives(place, 'neighbour'), true)
        assert.equal(await node.arrived(`late ${place.family} ${backEnd.name}`, 30), false)
      }
      await agent.liftAll()
    })

    test('what is stopped is counted for whom it was from', async () => {
      await agent.order(block(0, { target: '203.0.113.77' }))
      const [place = assert.fail()] = places
      for (let packet = 0; packet < 3; packet++) await arrives(place, 'comes', '203.0.113.77')
      const hit = (await firewall.hits()).find(({ address }) => address === '203.0.113.77')
      assert.equal(hit?.packets, 3)
      assert.ok(hit.agoMs < 10_000)
      await agent.liftAll()
    })

    /** Nothing of these was stopped before: addresses are remembered for an hour. */
    const counted = places.map((place) => ({
      ...place,
      him: place.him.replace(/7$/, '61'),
      neighbour: place.neighbour.replace(/8$/, '62'),
    }))
    const udp = (place: Place, n: number, port: string) => ({
      ...block(0, { target: place.him, protocol: 'udp', ports: [port] }),
      decision: decision(place.number + n),
    })
    const each = (orders: (place: Place) => readonly Action[]) =>
      agent.order(...counted.flatMap(orders))
    const send = async (sent: Readonly<Partial<Record<Path, number>>>) => {
      for (const place of counted)
        for (const path of paths) await passing(place, path, sent[path] ?? 0)
    }
    /** The same of each family. */
    const stopped = async (counts: Readonly<Record<number, number>>) => {
      const wanted = counted.flatMap(({ number }) =>
        Object.entries(counts).map(([n, packets]) => [number + Number(n), packets]),
      )
      assert.deepEqual(await agent.stopped(), wanted)
    }

    test('an order of one port counts what it stops itself, whatever others of its address stop', async () => {
      await each((place) => [
        udp(place, 1, '4001'),
        udp(place, 2, '4000'),
        { ...udp(place, 3, '3000-5000'), direction: 'out' },
        block(0, {
          decision: decision(place.number + 4),
          ...{ target: place.neighbour, response: 'reject' },
        }),
      ])
      await send({ comes: 3, passesFrom: 2, goes: 1, passesTo: 1, neighbour: 2 })
      await stopped({ 2: 5, 3: 2, 4: 2 })
      await agent.liftAll()
      await each((place) => [
        udp(place, 11, '4001'),
        block(0, { target: place.him, decision: decision(place.number + 12) }),
        block(0, {
          ...{ target: place.him, direction: 'out' },
          decision: decision(place.number + 13),
        }),
        block(0, {
          ...{ target: place.him, direction: 'both' },
          decision: decision(place.number + 14),
        }),
      ])
      await send({ comes: 3, goes: 2 })
      await stopped({ 12: 3, 13: 2, 14: 5 })
      await agent.liftAll()
    })

    test('what is allowed, never blocked or within a rate is counted nowhere, nor is the answer to what is rejected', async () => {
      await each((place) => [
        { ...udp(place, 1, '4000'), target: place.network },
        { ...udp(place, 2, '4000'), action: 'allow' },
        {
          ...{ ...block(0), action: 'limit', target: place.him, direction: 'out' },
          ...{ decision: decision(place.number + 3), rate: { packets: 1, per: 'hour', burst: 3 } },
        },
      ])
      await send({ comes: 2, passesFrom: 1, goes: 5, neighbour: 1 })
      await stopped({ 1: 1, 3: 2 })
      await agent.protect(
        counted.map(({ network }) => ({ address: readAddress(network), why: 'a gateway' })),
      )
      await send({ goes: 2, neighbour: 1 })
      await stopped({ 1: 1, 3: 2 })
      await agent.protect([])
      await agent.liftAll()
      await each((place) => [
        block(0, {
          ...{ target: place.him, direction: 'both', response: 'reject' },
          decision: decision(place.number + 11),
        }),
      ])
      await send({ comes: 2, goes: 1 })
      for (const place of counted) await connecting(place)
      await stopped({ 11: 4 })
      await agent.liftAll()
    })

    test('a packet that comes and leaves by interfaces of one order is counted once', async () => {
      await each((place) => [
        block(0, {
          ...{ target: place.him, direction: 'forward', interface: 'v-*' },
          decision: decision(place.number + 1),
        }),
      ])
      await send({ passesFrom: 3, passesTo: 2 })
      await stopped({ 1: 5 })
      await agent.liftAll()
    })

    test('a count goes on when others come and go, an end is another, and all is made anew; the last word has it', async () => {
      const others = (place: Place) => ({ ...udp(place, 2, '4000'), target: place.neighbour })
      await each((place) => [udp(place, 1, '4000'), others(place)])
      await send({ comes: 1, neighbour: 2 })
      await each((place) => [{ ...lift(0, place.neighbour), decision: others(place).decision }])
      const said = (n: number) =>
        counted.map(({ number }) => {
          const { status, hits } = agent.answerTo(decision(number + n)) ?? {}
          return [status, hits?.packets]
        })
      assert.deepEqual(said(2), [
        ['ended', 2],
        ['ended', 2],
      ])
      await send({ comes: 1 })
      await each((place) => [{ ...udp(place, 1, '4000'), not_after: today + 700_000 }])
      await send({ comes: 1 })
      await agent.heal()
      await send({ comes: 1 })
      await each((place) => [others(place)])
      await send({ comes: 1, neighbour: 1 })
      await stopped({ 1: 5, 2: 1 })
      await agent.liftAll()
      assert.deepEqual(
        [...said(1), ...said(2)],
        [
          ['ended', 5],
          ['ended', 5],
          ['ended', 1],
          ['ended', 1],
        ],
      )
    })

    test('whatever else is ordered, replaced and healed, nothing of what stands passes meanwhile', async () => {
      const standing = places.flatMap((place) => [
        block(0, { target: place.him, decision: decision(place.number) }),
      ])
      await agent.order(...standing)
      for (const place of places) {
        const mark = `gap ${place.family} ${backEnd.name}`
        // Whoever floods has to get his turn on a busy machine.
        for (let sent = 0; sent <= 20; sent += await theAttacker().stopFlood()) {
          await theAttacker().flood(place.him, place.node, mark)
          for (let round = 0; round < 2; round++) {
            await agent.order(
              block(7, { target: place.neighbour, response: 'reject' }),
              block(8, { target: place.network, not_after: today + 700_000 + round }),
            )
            await agent.heal()
          }
        }
        assert.equal(await theAttacker().send(place.him, place.node, mark), true)
        assert.equal(await arrives(place, 'goes'), true)
        assert.equal(await node.count(mark), 0)
      }
      await agent.liftAll()
    })

    test('after somebody flushed everything it is healed', async () => {
      const stopped: readonly Path[] = ['goes', 'passesTo', 'neighbour']
      await agent.order(
        ...places.flatMap((place) => [
          block(0, { target: place.network, direction: 'both', decision: decision(place.number) }),
          { ...block(1 + place.number), target: place.him, action: 'allow' as const },
        ]),
      )
      await stopsOnly(stopped)
      for (const command of backEnd.flush) shell(command)
      await stopsOnly([])
      await agent.heal()
      await stopsOnly(stopped)
      await agent.liftAll()
    })

    test('clearing leaves the rules of others, and all that filters, as they were before', async () => {
      await firewall.clear()
      loadTables(backEnd)
      const before = rulesOfAll()
      await agent.heal()
      await agent.order(
        ...[...cases].flatMap(({ steps }) =>
          steps.flatMap(({ orders }) => places.flatMap((at) => orders?.(at) ?? [])),
        ),
      )
      assert.notEqual(rulesOfAll(), before)
      await firewall.clear()
      assert.equal(rulesOfAll(), before)
      await firewall.clear()
      await stopsOnly([])
      unloadTables(backEnd)
    })
  })

/** The lock of xtables is root's. */
function skipped({ name, skip }: BackEnd): string | false {
  return (name.startsWith('ipset') ? kernel.skipLarge : kernel.skip) || skip()
}

async function stopsOnly(stopped: readonly Path[], among: readonly Path[] = paths): Promise<void> {
  const found = await Promise.all(
    places.map(async (place) => [
      place.family,
      await Promise.all(among.map(async (path) => [path, await arrives(place, path)])),
    ]),
  )
  const wanted = places.map(({ family }) => [
    family,
    among.map((path) => [path, !stopped.includes(path)]),
  ])
  assert.deepEqual(found, wanted)
}

async function passing(place: Place, path: Path, packets: number): Promise<number> {
  let count = 0
  for (let packet = 0; packet < packets; packet++) if (await arrives(place, path)) count++
  return count
}

function arrives(place: Place, path: Path, him = place.him): Promise<boolean> {
  const { node: here, neighbour, behind, beside, beyond } = place
  switch (path) {
    case 'comes':
      return delivers(theAttacker(), him, node, here)
    case 'goes':
      return delivers(node, here, theAttacker(), him)
    case 'passesFrom':
      return delivers(theAttacker(), him, theInner(), behind)
    case 'passesTo':
      return delivers(theInner(), behind, theAttacker(), him)
    case 'neighbour':
      return delivers(theAttacker(), neighbour, node, here)
    case 'neighbourFrom':
      return delivers(theAttacker(), neighbour, theInner(), behind)
    case 'toBeside':
      return delivers(theAttacker(), him, theInner(), beside)
    case 'toBeyond':
      return delivers(theAttacker(), him, theOuter(), beyond)
    case 'fromBeyond':
      return delivers(theOuter(), beyond, theAttacker(), him)
  }
}

function connecting({ him, node: here }: Place): Promise<string> {
  return theAttacker()
    .open(him, here)
    .then(
      () => 'open',
      (error: unknown) => String(error),
    )
}

function theAttacker(): Host {
  return attacker ?? assert.fail('there is no attacker')
}

function theInner(): Host {
  return inner ?? assert.fail('there is no machine behind')
}

function theOuter(): Host {
  return outer ?? assert.fail('there is no machine beyond')
}

function same(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.every((value, index) => value === other[index])
}

function shell(command: string): string {
  return execFileSync('sh', ['-c', command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Somebody else's rules, in every chain that Cordon may use. */
function loadTables({ name }: BackEnd): void {
  for (const program of programsOf(name))
    for (const [table, chains] of Object.entries(usedChains))
      for (const chain of chains) shell(`${program} -w -t ${table} -A ${chain} -p 254 -j DROP`)
}

const usedChains = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['INPUT', 'FORWARD'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
}

function unloadTables({ name }: BackEnd): void {
  for (const program of programsOf(name))
    for (const table of Object.keys(usedChains)) shell(`${program} -w -t ${table} -F`)
}

function programsOf(name: BackEnd['name']): string[] {
  const variant = /iptables(-\w+)/.exec(name)?.[1]
  return variant === undefined ? [] : [`iptables${variant}`, `ip6tables${variant}`]
}

/** All that filters, but for what counts. */
function rulesOfAll(): string {
  const saves = ['iptables', 'ip6tables'].flatMap((program) =>
    ['-legacy', '-nft'].map((variant) => `${program}${variant}-save`),
  )
  const rules = ['nft list ruleset', ...saves, 'ipset save'].map((command) => {
    const [program = ''] = command.split(' ')
    return shell(`command -v ${program} >/dev/null && ${command} 2>&1 || true`)
  })
  return rules
    .join('\n')
    .replaceAll(/^#.*$/gm, '')
    .replaceAll(/\[\d+:\d+\]/g, '')
    .replaceAll(/packets \d+ bytes \d+/g, '')
}
