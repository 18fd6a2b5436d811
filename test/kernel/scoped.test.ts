/** What scoped orders do to real packets, on the node itself and through it, over IPv4 and IPv6. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { readAddress } from '#contract/address.ts'
import type { Firewall, ScopedElement, SetName } from '../../agent/kernel/firewall.ts'
import { beforeEnd } from '../before-end.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { backEnds } from './back-ends.ts'
import { put } from './promises.ts'
import { element, rate } from './scoped.ts'

const kernel = await ownNamespace(import.meta.url)

/** Who it is about, another one beside him, the network of both, and a machine behind the node. */
const families = [
  {
    name: 'IPv4',
    him: '203.0.113.7',
    other: '203.0.113.8',
    network: '203.0.113.0/24',
    behind: '192.0.2.200',
    node: '198.51.100.1',
    hosts: 'hosts4',
  },
  {
    name: 'IPv6',
    him: '2001:db8:a::7',
    other: '2001:db8:a::8',
    network: '2001:db8:a::/48',
    behind: '2001:db8:b::1',
    node: '2001:db8:ffff::1',
    hosts: 'hosts6',
  },
] as const
type Family = (typeof families)[number]

/** Both ways to the kernel: the plain blocks beside go by either. */
for (const { name, make } of backEnds.filter((one) => /^(netlink|nft)$/.test(one.name)))
  describe(`scoped orders through ${name}`, { skip: kernel.skip }, () => {
    let firewall: Firewall
    let [attacker, inner]: Host[] = []
    let node: Party

    before(async () => {
      ;({ attacker, inner, node } = await theParties())
    })
    beforeEach(async () => {
      await firewall?.close()
      firewall = await make()
      await firewall.clear()
      await firewall.prepare()
    })
    after(async () => {
      await firewall.clear()
      await firewall.close()
    })

    const are = (...elements: readonly ScopedElement[]) => firewall.setScoped(elements, 0)
    const parties = () => {
      assert.ok(attacker && inner)
      return { attacker, inner }
    }
    const comes = (one: Family, from: string = one.him) =>
      delivers(parties().attacker, from, node, one.node)
    const goes = (one: Family) => delivers(node, one.node, parties().attacker, one.him)
    const passesFrom = (one: Family, from: string = one.him) =>
      delivers(parties().attacker, from, parties().inner, one.behind)
    const passesTo = (one: Family) =>
      delivers(parties().inner, one.behind, parties().attacker, one.him)
    const paths = async (one: Family) => ({
      comes: await comes(one),
      goes: await goes(one),
      passesFrom: await passesFrom(one),
      passesTo: await passesTo(one),
    })
    /** What each order stopped since it was asked last. */
    const counted = async () => {
      const sums = new Map<string, number>()
      for (const { element: one, packets } of await firewall.scopedHits()) {
        const port = one.ports ? ` ${one.ports.low}` : ''
        const name = `${one.verdict} ${one.way} ${one.address.text}${port}`
        sums.set(name, (sums.get(name) ?? 0) + packets)
      }
      return [...sums].map(([name, packets]) => `${name}: ${packets}`).sort()
    }
    const open = { comes: true, goes: true, passesFrom: true, passesTo: true }
    /** Resolves to why the connection was refused, as the one who tries is told. */
    const refusedTcp = (from: string, to: string) =>
      parties()
        .attacker.open(from, to)
        .then(
          () => 'open',
          (error: unknown) => String(error),
        )

    // The scoped orders themselves go the same way by both.
    for (const one of name === 'netlink' ? families : families.slice(0, 1))
      describe(one.name, () => {
        for (const [way, stopped] of [
          ['in', { comes: false, passesFrom: false }],
          ['out', { goes: false, passesTo: false }],
          ['forward', { passesFrom: false, passesTo: false }],
        ] as const)
          test(`a block of one port, ${way}, stops what goes that way, and nothing else`, async () => {
            for (const more of [{ port: 4000 }, { protocol: 'udp' }, {}] as const) {
              await are(element('drop', way, one.him, more))
              assert.deepEqual(await paths(one), { ...open, ...stopped }, JSON.stringify(more))
              assert.equal(await comes(one, one.other), true)
            }
            for (const more of [{ port: 4001 }, { protocol: 'tcp' }] as const) {
              await are(element('drop', way, one.him, more))
              assert.deepEqual(await paths(one), open, JSON.stringify(more))
            }
            await are()
            assert.deepEqual(await paths(one), open)
          })

        test('a range of ports has both its ends, and a network all its hosts', async () => {
          for (const [port, passes] of [
            [[3000, 4000], false],
            [[4000, 5000], false],
            [[4001, 65_535], true],
            [[0, 3999], true],
          ] as const) {
            await are(element('drop', 'in', one.network, { port: [...port] }))
            assert.equal(await comes(one), passes, `${port}`)
            assert.equal(await comes(one, one.other), passes, `${port}`)
          }
        })

        test('an interface is the one by which it comes or leaves, by its name or the beginning of it', async () => {
          const by = (way: ScopedElement['way'], device: string, more = {}) =>
            are(element('drop', way, one.him, { interface: device, ...more }))
          for (const more of [{}, { protocol: 'udp' }, { port: 4000 }] as const) {
            for (const device of ['v-attacker', 'v-att*']) {
              await by('in', device, more)
              assert.equal(await comes(one), false, device)
              assert.equal(await passesFrom(one), false, device)
              await by('out', device, more)
              assert.deepEqual([await goes(one), await passesTo(one)], [false, false], device)
            }
            for (const way of ['in', 'out'] as const) {
              await by(way, 'v-inner', more)
              assert.deepEqual(await paths(one), open)
            }
            for (const device of ['v-attacker', 'v-inner', 'v-in*']) {
              await by('forward', device, more)
              const through = { passesFrom: false, passesTo: false }
              assert.deepEqual(await paths(one), { ...open, ...through }, device)
            }
            await by('forward', 'other0', more)
            assert.deepEqual(await paths(one), open)
          }
        })

        test('who is rejected is told so, by a reset or an error, coming in and passing through', async () => {
          const { attacker } = parties()
          for (const [way, to] of [
            ['in', one.node],
            ['forward', one.behind],
          ] as const) {
            await are(element('reject', way, one.him), element('reject', 'out', one.him))
            assert.match(await refusedTcp(one.him, to), /ECONNREFUSED/, way)
            assert.match(await askedByDatagram(attacker, one.him, to), /EHOSTUNREACH|EACCES/, way)
            assert.equal(await delivers(attacker, one.him, node, one.node), way === 'forward')
          }
        })

        test('a limit lets its burst through and no more, of a network as a whole and both ways together', async () => {
          await are(element('limit', 'in', one.network), element('limit', 'out', one.network))
          const passed = [
            await comes(one),
            await comes(one, one.other),
            await goes(one),
            await comes(one),
            await goes(one),
            await comes(one, one.other),
          ]
          assert.deepEqual(passed, [true, true, true, false, false, false])
        })

        test('a limit of one port leaves other ports alone', async () => {
          await are(element('limit', 'in', one.him, { port: 4001 }))
          for (let count = 0; count < 5; count++) assert.equal(await comes(one), true)
        })

        test('what was counted of a limit is not forgotten when other orders come and go', async () => {
          const limit = element('limit', 'in', one.him, { port: 4000 })
          await are(limit)
          for (const passes of [true, true, true, false]) assert.equal(await comes(one), passes)
          await are(limit, element('limit', 'in', one.other, { port: 4000 }))
          assert.equal(await comes(one), false)
          await are({ ...limit, end: 120_000 })
          assert.equal(await comes(one), false)
          const again = await make()
          await again.prepare()
          await again.setScoped([limit], 0)
          await again.close()
          assert.equal(await comes(one), false)
          await firewall.prepare()
          await are()
          assert.equal(await comes(one), true)
        })

        test('what is allowed passes although it is blocked, listed or limited, and only that', async () => {
          const { hosts } = one
          const set: SetName = `in_${hosts}`
          await firewall.apply([put(set, one.him), put(set, one.other)])
          await firewall.fillFeeds('a', [{ address: readAddress(one.network), timeoutMs: 60_000 }])
          for (const more of [
            { port: 4000 },
            { protocol: 'udp' },
            { interface: 'v-att*' },
            {},
          ] as const) {
            await are(element('allow', 'in', one.him, more))
            assert.equal(await comes(one), true, JSON.stringify(more))
            assert.equal(await passesFrom(one), true)
            assert.equal(await comes(one, one.other), false)
          }
          for (const more of [
            { port: 4001 },
            { protocol: 'tcp' },
            { interface: 'v-inner' },
          ] as const) {
            await are(element('allow', 'in', one.him, more))
            assert.equal(await comes(one), false, JSON.stringify(more))
          }
          await firewall.replace([])
          await firewall.emptyFeeds('a')
          const limit = element('limit', 'in', one.him, {
            limit: { name: 'none', rate: { ...rate, burst: 1 } },
          })
          await are(limit, element('reject', 'in', one.other), element('allow', 'in', one.network))
          for (let count = 0; count < 3; count++) assert.equal(await comes(one), true)
          assert.equal(await comes(one, one.other), true)
        })

        test('what is allowed outward or through the node passes only there', async () => {
          const { hosts } = one
          await firewall.apply([put(`in_${hosts}`, one.him), put(`out_${hosts}`, one.him)])
          await are(element('allow', 'out', one.him))
          assert.deepEqual(await paths(one), { ...open, comes: false, passesFrom: false })
          await are(element('allow', 'forward', one.him))
          assert.deepEqual(await paths(one), { ...open, comes: false, goes: false })
          await are(element('allow', 'forward', one.him, { port: 4000 }))
          assert.deepEqual(await paths(one), { ...open, comes: false, goes: false })
        })

        test('whom a port is allowed to can connect to it, and is answered', async () => {
          const { attacker } = parties()
          const { hosts } = one
          await firewall.apply([put(`in_${hosts}`, one.him), put(`out_${hosts}`, one.him)])
          const port = { protocol: 'tcp', port: 4000 } as const
          const side = { low: 4000, high: 4000, side: 'source' } as const
          await are(
            element('allow', 'in', one.him, port),
            element('allow', 'out', one.him, port),
            element('allow', 'out', one.him, { protocol: 'tcp', ports: side }),
          )
          const connection = await attacker.open(one.him, one.node)
          const mark = `allowed ${performance.now()}`
          await attacker.say(connection, mark)
          assert.equal(await node.arrived(mark, 10_000), true)
          assert.equal(await comes(one), false)
        })

        test('an order ends in the kernel when its time is over', async () => {
          const seen = await beforeEnd(400, async (end) => {
            const ends = { end, layer: 0 }
            await are(
              element('drop', 'in', one.him, { port: 4000, ...ends }),
              element('drop', 'out', one.him, ends),
              element('drop', 'forward', one.him, { interface: 'v-*', ...ends }),
            )
            return paths(one)
          })
          assert.deepEqual(seen, {
            comes: false,
            goes: false,
            passesFrom: false,
            passesTo: false,
          })
          await until(async () => (await comes(one)) && (await goes(one)) && passesFrom(one))
          assert.deepEqual(await paths(one), open)
        })

        test('an address that must never be blocked passes whatever the orders say', async () => {
          await firewall.setNever([readAddress(one.him)])
          await are(
            element('drop', 'in', one.network),
            element('reject', 'out', one.network, { port: 4000 }),
            element('limit', 'forward', one.network, {
              limit: { name: 'n', rate: { ...rate, burst: 1 } },
            }),
          )
          for (let round = 0; round < 2; round++) assert.deepEqual(await paths(one), open)
          assert.equal(await comes(one, one.other), false)
        })

        test('what is led to the node itself, and what leaves by another interface, is stopped however it was to be judged again', async () => {
          const ip = one.name === 'IPv4' ? 'ip' : 'ip6'
          const led = `${one.behind.slice(0, -1)}9`
          nft(`table ${ip} led { chain in { type nat hook prerouting priority -100;
            ${ip} daddr ${led} dnat to ${one.node}; }; }`)
          const isLed = () => delivers(parties().attacker, one.him, node, led)
          const by = (peerInterface: string) =>
            element('allow', 'forward_from', one.him, { peerInterface })
          try {
            await are(by('v-inner'))
            assert.deepEqual([await isLed(), await passesFrom(one)], [true, true])
            for (const verdict of ['drop', 'reject'] as const) {
              await are(element(verdict, 'in', one.him), by('v-inner'))
              assert.deepEqual([await isLed(), await passesFrom(one)], [false, true])
              assert.deepEqual([await comes(one), await comes(one, one.other)], [false, true])
              await are(element(verdict, 'in', one.him), by('v-attacker'))
              assert.deepEqual([await isLed(), await passesFrom(one)], [false, false])
            }
            await firewall.apply([put(`in_${one.hosts}`, one.him)])
            await are(by('v-inner'))
            assert.deepEqual([await isLed(), await passesFrom(one)], [false, true])
            await are()
            assert.deepEqual([await isLed(), await passesFrom(one)], [false, false])
          } finally {
            nft(`delete table ${ip} led`)
          }
        })

        test('who may leave by an interface is counted once for each packet that is stopped', async () => {
          const by = element('allow', 'forward_from', one.him, { peerInterface: 'v-inner' })
          const other = element('allow', 'forward_from', one.him, { peerInterface: 'v-other' })
          const drop = element('drop', 'in', one.him, { port: 4000 })
          await are(drop, by)
          for (const [count, more] of [
            [3, 0],
            [2, 2],
          ] as const) {
            await firewall.scopedHits()
            for (let packet = 0; packet < count; packet++) {
              assert.equal(await passesFrom(one), more === 0)
              assert.equal(await comes(one), false)
            }
            const hits = await firewall.scopedHits()
            assert.deepEqual(
              hits.map(({ packets }) => packets),
              [count + more],
            )
            await are(drop, other)
          }
        })

        test('each packet that is stopped is counted for whom it is from, or for whom it is', async () => {
          await firewall.apply([put(`in_${one.hosts}`, one.him), put(`out_${one.hosts}`, one.him)])
          await are(element('drop', 'in', one.other))
          for (let count = 0; count < 2; count++) {
            await comes(one)
            await goes(one)
          }
          await passesTo(one)
          // Of orders that are more than a plain block nothing is counted so.
          assert.equal(await comes(one, one.other), false)
          const hits = await firewall.hits()
          assert.deepEqual(
            hits.map(({ side, address, packets }) => [side, address, packets]),
            [
              ['in', one.him, 2],
              ['out', one.him, 3],
            ],
          )
          assert.ok((hits[0]?.agoMs ?? -1) >= 0 && (hits[0]?.agoMs ?? 0) < 30_000)
        })

        test('an order counts what it stops, and not what others of its address do', async () => {
          await are(
            element('drop', 'in', one.him, { port: 4000 }),
            element('drop', 'in', one.him, { port: 4001 }),
            element('drop', 'out', one.him),
            element('reject', 'in', one.other),
          )
          assert.deepEqual(await counted(), [])
          for (let count = 0; count < 3; count++) await comes(one)
          for (let count = 0; count < 2; count++) await goes(one)
          await passesTo(one)
          await passesFrom(one)
          await comes(one, one.other)
          await passesFrom(one, one.other)
          assert.deepEqual(await counted(), [
            `drop in ${one.him} 4000: 4`,
            `drop out ${one.him}: 3`,
            `reject in ${one.other}: 2`,
          ])
          assert.deepEqual(await counted(), [])
        })

        test('what is allowed, must never be blocked, or is within a rate is counted nowhere', async () => {
          const limit = (burst: number) => ({ name: `of ${burst}`, rate: { ...rate, burst } })
          await are(
            element('drop', 'in', one.network),
            element('allow', 'in', one.him, { port: 4000 }),
            element('limit', 'out', one.him, { limit: limit(3) }),
            element('drop', 'forward', one.him, { port: 4001 }),
          )
          for (let count = 0; count < 5; count++) assert.equal(await goes(one), count < 3)
          for (let count = 0; count < 2; count++) assert.equal(await comes(one), true)
          assert.deepEqual(await counted(), [`limit out ${one.him}: 2`])
          await comes(one, one.other)
          assert.deepEqual(await counted(), [`drop in ${one.network}: 1`])
          await firewall.setNever([readAddress(one.network)])
          await comes(one, one.other)
          for (let count = 0; count < 5; count++) assert.equal(await goes(one), true)
          assert.deepEqual(await counted(), [])
        })

        test('a limit does not count what is dropped, nor a drop what is above a limit', async () => {
          await are(
            element('drop', 'in', one.him, { port: 4000 }),
            element('limit', 'in', one.network, { limit: { name: 'all', rate } }),
          )
          for (let count = 0; count < 2; count++) await comes(one)
          for (let count = 0; count < 5; count++) await comes(one, one.other)
          assert.deepEqual(await counted(), [
            `drop in ${one.him} 4000: 2`,
            `limit in ${one.network}: 2`,
          ])
        })

        test('a packet that comes and leaves by interfaces of one order is counted once', async () => {
          for (const verdict of ['drop', 'reject'] as const) {
            await are(element(verdict, 'forward', one.him, { interface: 'v-*' }))
            for (let count = 0; count < 3; count++) await passesFrom(one)
            for (let count = 0; count < 2; count++) await passesTo(one)
            assert.deepEqual(await counted(), [`${verdict} forward ${one.him}: 5`])
          }
          const limit = { name: 'one', rate: { ...rate, burst: 1 } }
          await are(element('limit', 'forward', one.him, { interface: 'v-att*', limit }))
          for (let count = 0; count < 3; count++) await passesFrom(one)
          assert.deepEqual(await counted(), [`limit forward ${one.him}: 2`])
        })

        test('of orders that would each stop a packet each counts it', async () => {
          await are(
            element('drop', 'in', one.network, { port: [4000, 4005] }),
            element('drop', 'in', one.him, { port: [3990, 4000], layer: 1 }),
            element('drop', 'in', one.him, { protocol: 'udp' }),
          )
          await comes(one)
          assert.deepEqual(
            await counted(),
            [
              `drop in ${one.him} 3990: 1`,
              `drop in ${one.him}: 1`,
              `drop in ${one.network} 4000: 1`,
            ].sort(),
          )
        })

        test('a count goes on when others come and go, an end becomes another, and all is made anew', async () => {
          const stays = element('drop', 'in', one.him, { port: 4000 })
          const goesAway = element('drop', 'in', one.other, { port: 4000 })
          await are(stays, goesAway)
          await comes(one)
          await comes(one, one.other)
          await are(stays)
          await comes(one)
          await are({ ...stays, end: 90_000 })
          await comes(one)
          await are({ ...stays, end: 90_000 }, element('drop', 'in', one.network, { port: 4001 }))
          await comes(one)
          await firewall.prepare()
          await are({ ...stays, end: 90_000 }, goesAway)
          await comes(one)
          await are({ ...stays, end: 90_000 })
          // Of what has gone, too, and of it once.
          assert.deepEqual(await counted(), [
            `drop in ${one.him} 4000: 5`,
            `drop in ${one.other} 4000: 1`,
          ])
          nft('delete table inet cordon')
          await firewall.prepare()
          await are(stays, goesAway)
          await comes(one)
          await are(goesAway)
          await are(goesAway, stays)
          assert.deepEqual(await counted(), [`drop in ${one.him} 4000: 1`])
          await comes(one)
          assert.deepEqual(await counted(), [`drop in ${one.him} 4000: 1`])
        })
      })

    test('what others filter on the node stays filtered although Cordon allows it', async () => {
      const [one] = families
      nft(
        'table inet own { chain in { type filter hook prerouting priority -200; ip saddr 203.0.113.7 drop; }; }',
      )
      await are(element('allow', 'in', one.him))
      assert.equal(await comes(one), false)
      nft('delete table inet own')
      assert.equal(await comes(one), true)
    })

    test('orders that overlap stand side by side in layers', async () => {
      const [one] = families
      await are(
        element('drop', 'in', one.network, { port: [4000, 4005] }),
        element('drop', 'in', one.him, { port: [3990, 4000], layer: 1 }),
        element('drop', 'in', one.him, { port: 4000, layer: 2, end: 120_000 }),
      )
      await are(element('drop', 'in', one.him, { port: 4000, layer: 2, end: 120_000 }))
      assert.equal(await comes(one), false)
      assert.equal(await comes(one, one.other), true)
    })

    test('what is stopped stays stopped when there is no room left to count whom', async () => {
      const [one] = families
      await firewall.apply([put('in_hosts4', one.him)])
      const many = Array.from({ length: 65_536 }, (_, n) => `198.18.${n >> 8}.${n & 255}`)
      nft(`add element inet cordon hits_in4 { ${many.join(', ')} }`)
      assert.throws(() => nft('add element inet cordon hits_in4 { 198.19.0.1 }'), /./)
      assert.equal(await comes(one), false)
      assert.equal(await comes(one, one.other), true)
      nft('flush set inet cordon hits_in4')
      assert.equal(await comes(one), false)
      assert.deepEqual(
        (await firewall.hits()).map(({ address }) => address),
        [one.him],
      )
    })

    test('this kernel can do all of it, and asking leaves nothing behind', () => {
      assert.deepEqual(firewall.expresses, { scopes: true, reject: true })
      assert.doesNotMatch(execFileSync('nft', ['list', 'tables']).toString(), /selftest/)
    })

    test('the number of rules does not grow with the number of orders', async () => {
      const many = (count: number) =>
        Array.from({ length: count }, (_, index) =>
          (['drop', 'reject', 'allow', 'limit'] as const).map((verdict) =>
            element(verdict, 'in', `198.18.${index >> 8}.${index & 255}`, { port: index }),
          ),
        ).flat()
      await are(...many(1))
      const few = rules()
      await are(...many(100))
      assert.equal(rules(), few)
      await are()
      assert.ok(rules() < few)
    })

    test('a restart keeps the orders in force, and what is wished no longer goes then', async () => {
      const [one] = families
      await are(element('drop', 'in', one.him, { port: 4000 }), element('reject', 'in', one.other))
      const next = await make()
      await next.prepare()
      assert.equal(await comes(one), false)
      await next.setScoped([element('reject', 'in', one.other)], 0)
      assert.deepEqual([await comes(one), await comes(one, one.other)], [true, false])
      await next.close()
    })

    test('one more of each kind is added to what is there, and taken out of it', async () => {
      const some = (n: number) =>
        families.flatMap(({ name: family }) =>
          (['drop', 'reject', 'allow', 'limit'] as const).flatMap((verdict) =>
            [{}, { protocol: 'tcp' }, { port: 443 }].flatMap((last) =>
              [{}, { interface: 'eth0' }].flatMap((near) =>
                [{}, { peerInterface: 'ppp*' }].flatMap((far) =>
                  [false, true].map((hasPeer) => {
                    const [one, other] =
                      family === 'IPv4'
                        ? [`198.18.0.${n}`, '192.0.2.1']
                        : [`2001:db8:9::${n}`, '2001:db8:1::/48']
                    const peer = hasPeer ? { peer: readAddress(other) } : {}
                    const more = { ...last, ...near, ...far, ...peer } as Partial<ScopedElement>
                    return element(verdict, 'forward_from', one, more)
                  }),
                ),
              ),
            ),
          ),
        )
      await are(...some(1))
      await are(...some(1), ...some(2))
      assert.doesNotMatch(listed(), /unknown|invalid/)
      assert.deepEqual(await firewall.scopedHits(), [])
      await are(...some(2))
      const next = await make()
      await next.prepare()
      await next.setScoped([...some(2), ...some(3)], 0)
      await next.close()
    })

    test('a restart judges again what was, and ends it without a trace', async () => {
      const [one] = families
      const drop = element('drop', 'in', one.him)
      const by = element('allow', 'forward_from', one.him, { peerInterface: 'v-inner' })
      const hooks = () => (listed().match(/type filter hook/g) ?? []).length
      await are(drop)
      const before = hooks()
      await are(drop, by)
      assert.equal(hooks(), before + 1)
      for (const elements of [[drop, by], [drop, by], [drop]]) {
        const next = await make()
        assert.equal(await next.prepare(), false)
        assert.deepEqual([await comes(one), await passesFrom(one)], [false, true])
        await next.setScoped(elements, 0)
        const passes = elements.includes(by)
        assert.deepEqual([await comes(one), await passesFrom(one)], [false, passes])
        await next.close()
      }
      assert.equal(hooks(), before)
    })

    test('an agent that ended between filling a set and turning to it does not stop the next one', async () => {
      const [one] = families
      const limit = element('limit', 'in', one.other, {
        limit: { name: 'few', rate: { ...rate, burst: 1 } },
      })
      const wished = [element('drop', 'in', one.him, { port: 4000 }), limit] as const
      await are(...wished)
      const listed = execFileSync('nft', ['-t', 'list', 'table', 'inet', 'cordon']).toString()
      const own = [...listed.matchAll(/^\t(set|map) ((?:drop|limit)_in4\w*_)([ab]) /gm)]
      assert.equal(own.length, 2)
      for (const [, kind, name, turn] of own) {
        const type = kind === 'map' ? 'ipv4_addr : limit' : 'ipv4_addr . inet_proto . inet_service'
        const other = `${name}${turn === 'a' ? 'b' : 'a'}`
        nft(`add ${kind} inet cordon ${other} { type ${type}; flags interval, timeout; }`)
      }
      const next = await make()
      await next.prepare()
      assert.equal(await comes(one), false)
      for (let round = 0; round < 2; round++) {
        await next.setScoped(wished, 0)
        assert.equal(await comes(one), false)
      }
      assert.deepEqual([await comes(one, one.other), await comes(one, one.other)], [true, false])
      await next.setScoped([], 0)
      assert.equal(await comes(one), true)
      await next.close()
    })

    test('they are back after somebody flushed the ruleset, and count as a table that was gone', async () => {
      const [one] = families
      const order = element('drop', 'in', one.him, { port: 4000 })
      await are(order)
      nft('flush ruleset')
      assert.equal(await comes(one), true)
      assert.equal(await firewall.prepare(), true)
      await are(order)
      assert.equal(await comes(one), false)
    })

    test('a chain of the name of ours that hears of other packets goes with all of the table', async () => {
      const [one] = families
      nft('add chain inet cordon input { type filter hook output priority -300; policy accept; }')
      const next = await make()
      await next.prepare()
      const by = element('allow', 'forward_from', one.him, { peerInterface: 'v-inner' })
      await next.setScoped([element('drop', 'in', one.him), by], 0)
      await next.replace([])
      assert.deepEqual([await comes(one), await passesFrom(one)], [false, true])
      await next.close()
    })

    test('they go with a table of another version into the one that takes its place', async () => {
      const [one] = families
      nft('add set inet cordon old { type ipv4_addr; }')
      await firewall.prepare()
      await are(element('drop', 'in', one.him, { port: 4000 }))
      assert.equal(await comes(one), true)
      await firewall.replace([put('in_hosts4', one.other)])
      assert.deepEqual([await comes(one), await comes(one, one.other)], [false, false])
      await are()
      assert.equal(await comes(one), true)
    })

    test('while a table of another version is made anew not one packet of what stands in intervals passes', async () => {
      const [one] = families
      const kept = element('drop', 'in', one.him, { port: 4000 })
      const mark = `anew ${performance.now()}`
      const { attacker } = parties()
      await are(kept)
      for (let sent = 0; sent <= 20; sent += await attacker.stopFlood()) {
        await attacker.flood(one.him, one.node, mark)
        for (let round = 0; round < 4; round++) {
          nft('add set inet cordon old { type ipv4_addr; }')
          const next = await make()
          await next.prepare()
          await next.setScoped([kept], 0)
          await next.replace([])
          await next.close()
        }
      }
      assert.equal(await comes(one, one.other), true)
      assert.equal(await node.count(mark), 0)
      assert.doesNotMatch(execFileSync('nft', ['list', 'tables']).toString(), /stand_in/)
      await firewall.prepare()
    })

    test('while others come and go not one packet of what is stopped passes', async () => {
      const [one] = families
      const kept = element('drop', 'in', one.him, { port: 4000 })
      const others = Array.from({ length: 200 }, (_, index) =>
        element('drop', 'in', `198.18.0.${index}`, { port: 4000 }),
      )
      await are(kept)
      const mark = `gap ${performance.now()}`
      const { attacker } = parties()
      // Whoever floods has to get his turn on a busy machine.
      for (let sent = 0; sent <= 20; sent += await attacker.stopFlood()) {
        await attacker.flood(one.him, one.node, mark)
        for (let round = 0; round < 4; round++) {
          await are(kept, ...others, element('reject', 'in', one.other))
          await are(kept, ...others.slice(0, 50))
          await are(kept)
        }
      }
      assert.equal(await comes(one, one.other), true)
      assert.equal(await node.count(mark), 0)
    })

    test('while it comes and goes what is allowed by an interface, not one packet that is stopped passes', async () => {
      const [one] = families
      const drop = element('drop', 'in', one.him)
      const by = (device: string, text: string = one.him) =>
        element('allow', 'forward_from', text, { peerInterface: device })
      await are(drop)
      const mark = `again ${performance.now()}`
      const { attacker, inner } = parties()
      for (let sent = 0; sent <= 20; sent += await attacker.stopFlood()) {
        await attacker.flood(one.him, one.behind, mark)
        for (let round = 0; round < 8; round++) {
          await are(drop, by('v-other'), by('v-other', one.other))
          await are(drop, by('v-none', one.other))
          await are(drop, by('v-other'))
          await are(drop)
        }
      }
      assert.equal(await passesFrom(one, one.other), true)
      assert.equal(await inner.count(mark), 0)
    })

    test('what the kernel refuses leaves everything as it was', async () => {
      const [one] = families
      await are(element('drop', 'in', one.him, { port: 4000 }))
      const wrong = [
        element('drop', 'in', one.network, { port: [1, 5000] }),
        element('drop', 'in', one.network, { port: [2, 6000] }),
      ]
      await assert.rejects(are(...wrong), { code: 'kernel_refused' })
      assert.equal(await comes(one), false)
      await are()
      assert.equal(await comes(one), true)
    })
  })

let joined: Promise<{ attacker: Host; inner: Host; node: Party }> | undefined

function theParties() {
  joined ??= (async () => ({
    node: await thisNode(),
    attacker: await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48']),
    inner: await host('inner', ['192.0.2.128/25', '2001:db8:b::/48']),
  }))()
  return joined
}

after(async () => {
  for (const party of Object.values((await joined) ?? {})) await party.close()
})

/** What a program is told whose datagrams are rejected. */
function askedByDatagram(from: Host, address: string, to: string): Promise<string> {
  const type = address.includes(':') ? 'udp6' : 'udp4'
  const script = `
    const socket = require('node:dgram').createSocket('${type}')
    const end = (text) => { console.log(text); process.exit() }
    socket.on('error', (error) => end(error.code))
    socket.bind(0, '${address}', () => socket.connect(4000, '${to}', () => {
      setInterval(() => socket.send('asked', () => {}), 20)
      setTimeout(() => end('nothing'), 20_000)
    }))`
  return from.run(process.execPath, '-e', script)
}

function listed(): string {
  return execFileSync('nft', ['list', 'table', 'inet', 'cordon']).toString()
}

function nft(script: string): void {
  execFileSync('nft', ['-f', '-'], { input: script, stdio: 'pipe' })
}

function rules(): number {
  const listing = execFileSync('nft', ['-a', '-t', 'list', 'table', 'inet', 'cordon']).toString()
  return listing.split('\n').filter((line) => /# handle/.test(line) && !/^\t?\w+ .*\{/.test(line))
    .length
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it did not end')
    await pause(10)
  }
}
