/** The firewall of hosts without nftables: what it promises, and how it lives with the rules of others. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Rate } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import type { Firewall, ScopedElement } from '../../agent/kernel/firewall.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetBy, ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesBy, iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { runProgram } from '../../agent/kernel/program.ts'
import { ownNamespace } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { isProblem, keepsPromises, left, put, within } from './promises.ts'
import { element, rate } from './scoped.ts'

const kernel = await ownNamespace(import.meta.url)
/** The lock of xtables is root's. */
const skip = (variant: '' | '-legacy' | '-nft' = '') =>
  kernel.skipLarge || legacyTools(variant).skip

describe('ipset', { skip: skip() }, () => {
  let firewall: Firewall
  before(async () => {
    firewall = ipsetFirewall(ipsetProgram(), iptablesProgram())
    assert.equal(await firewall.prepare(), true)
    assert.equal(await firewall.prepare(), false)
  })
  after(async () => {
    await firewall.clear()
    await firewall.close()
  })
  keepsPromises(() => firewall)

  test('holds what is to last longer than it can as long as it can', async () => {
    const days = 24 * 3_600_000
    await firewall.apply([put('in_hosts4', '203.0.113.7', 60 * days)])
    within(await left(firewall, 'in_hosts4', '203.0.113.7'), 24 * days, 25 * days)
    await firewall.replace([])
  })

  test('protects all addresses where that is asked, which are no network to it', async () => {
    await firewall.setNever([readAddress('::/0'), readAddress('0.0.0.0/0')])
    assert.match(sh('ipset save cordon_never4'), /add cordon_never4 128\.0\.0\.0\/1/)
    assert.match(sh('ipset save cordon_never6'), /add cordon_never6 8000::\/1/)
    await firewall.setNever([])
  })
})

for (const variant of ['-legacy', '-nft'] as const)
  describe(`with iptables${variant}`, { skip: skip(variant) }, () => {
    let looks = 0
    const make = () => {
      const ipset = ipsetProgram()
      const headers = () => {
        looks++
        return ipset.headers()
      }
      return ipsetFirewall({ ...ipset, headers }, iptablesProgram(variant), { everyMs: 20 })
    }
    /** A look has begun and ended. */
    const looked = async () => {
      const from = looks
      while (looks < from + 2) await pause(5)
    }
    const save = (program = 'iptables') => rules(sh(`${program}${variant}-save`))
    let firewall: Firewall
    beforeEach(async () => {
      firewall = make()
      await firewall.prepare()
    })
    afterEach(async () => {
      await firewall.close()
      await firewall.clear()
    })

    test('a host that had no rules has none after clearing', async () => {
      const allow = element('allow', 'forward', '203.0.113.7', { interface: 'eth0' })
      await firewall.setScoped([element('reject', 'in', '203.0.113.7'), allow], 0)
      await firewall.clear()
      await firewall.clear()
      assert.equal(sh('nft list ruleset; ipset list -n'), '')
      // A table that legacy iptables has loaded stays, with nothing in it.
      for (const line of save().concat(save('ip6tables')))
        assert.match(line, variant === '-nft' ? /^$/ : /^\*|^:\w+ ACCEPT|^COMMIT/)
    })

    test('preparing again, also after a crash, doubles no rule and keeps what is blocked', async () => {
      await firewall.apply([put('in_hosts4', '203.0.113.7')])
      await firewall.setScoped([element('drop', 'in', '203.0.113.8', { port: 80 })], 0)
      const before = [
        save(),
        save('ip6tables'),
        sh('ipset save -sorted').replaceAll(/timeout \d+/g, ''),
      ]
      const next = make()
      assert.equal(await next.prepare(), false)
      await firewall.prepare()
      const later = [
        save(),
        save('ip6tables'),
        sh('ipset save -sorted').replaceAll(/timeout \d+/g, ''),
      ]
      assert.deepEqual(later, before)
      await next.close()
    })

    test('the look-up comes first, once, whatever others put before it or took away', async () => {
      sh(`iptables${variant} -t raw -I PREROUTING -s 192.0.2.1 -j ACCEPT`)
      sh(`iptables${variant} -t raw -A PREROUTING ! -i lo -j CORDON_IN`)
      sh(`iptables${variant} -t mangle -F FORWARD`)
      await firewall.prepare()
      const jumps = (chain: string) => save().filter((line) => line.startsWith(`-A ${chain} `))
      assert.deepEqual(jumps('PREROUTING'), [
        '-A PREROUTING ! -i lo -j CORDON_IN',
        '-A PREROUTING -s 192.0.2.1/32 -j ACCEPT',
      ])
      assert.deepEqual(jumps('FORWARD'), ['-A FORWARD -j CORDON_FORWARD'])
      sh(`iptables${variant} -t raw -D PREROUTING -s 192.0.2.1 -j ACCEPT`)
    })

    for (const [command, sentence] of [
      ['ipset flush cordon_in4', /elements were removed: at least 2 of cordon_in4/],
      ['ipset del cordon_in4 203.0.113.7', /elements were removed: at least 1 of cordon_in4/],
      [
        'ipset add cordon_feeds6_a 2001:db8::/33',
        /elements were added: at least 1 to cordon_feeds6_a/,
      ],
      [`iptables${variant} -t raw -F`, /in iptables was changed/],
      [`iptables${variant} -t raw -I CORDON_IN -j RETURN`, /in iptables was changed/],
      [`ip6tables${variant} -t mangle -D FORWARD -j CORDON_FORWARD`, /in iptables was changed/],
    ] as const)
      test(`somebody else's "${command}" is told`, async () => {
        await firewall.apply([put('in_hosts4', '203.0.113.7'), put('in_hosts4', '203.0.113.8')])
        await firewall.setScoped([element('drop', 'in', '203.0.113.9', { port: 80 })], 0)
        const told = firstChange(firewall)
        await looked()
        sh(command)
        assert.match(await inTime(told), sentence)
      })

    test('its own changes, and what ends, are not told', async () => {
      const told = firstChange(firewall)
      const many = Array.from({ length: 300 }, (_, index) =>
        put('in_hosts4', `198.18.${index >> 8}.${index & 255}`, index < 100 ? 900 : 60_000),
      )
      await firewall.apply(many)
      await looked()
      await firewall.replace(many)
      await firewall.setScoped([element('limit', 'in', '203.0.113.0/24')], 0)
      await looked()
      await firewall.setNever([readAddress('203.0.113.1')])
      await firewall.fillFeeds('a', [{ address: readAddress('203.0.113.0/24'), timeoutMs: 9_000 }])
      await firewall.prepare()
      const ended = async () => (await left(firewall, 'in_hosts4', '198.18.0.7')) === undefined
      while (!(await ended())) await looked()
      await looked()
      sh('ipset flush cordon_never4')
      assert.match(await inTime(told), /elements were removed: at least 1 of cordon_never4/)
    })

    test('another program that holds the lock of xtables is waited for', async () => {
      const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; sleep 0.3'])
      await once(holder.stdout, 'data')
      await firewall.setScoped([element('drop', 'in', '203.0.113.7', { port: 80 })], 0)
      assert.match(sh('ipset list -n'), /cordon_s1/)
      holder.kill()
    })

    test('the number of rules does not grow with the number of orders', async () => {
      const many = (count: number) =>
        Array.from({ length: count }, (_, index) =>
          (['drop', 'reject', 'allow', 'limit'] as const).map((verdict) =>
            element(verdict, 'in', `198.18.${index >> 8}.${index & 255}`, {
              // Each port of these is a kind of its own, as what is translated is known of the connection only.
              port: verdict === 'reject' || verdict === 'allow' ? 4000 : index,
            }),
          ),
        ).flat()
      await firewall.setScoped(many(1), 0)
      const few = save().length
      await firewall.setScoped(many(500), 0)
      assert.equal(save().length, few)
      assert.equal(sh('ipset save').match(/^add cordon_s\d+ /gm)?.length, 2_000)
      await firewall.setScoped([], 0)
      assert.ok(save().length < few)
      assert.doesNotMatch(sh('ipset list -n'), /cordon_s\d/)
    })
  })

describe('at its limits', { skip: skip() }, () => {
  afterEach(() => ipsetFirewall(ipsetProgram(), iptablesProgram()).clear())

  test('a full set is told, and what it held before stays', async () => {
    const small = ipsetBy((words, input) =>
      runProgram(
        'ipset',
        words,
        [...input].map((text) => text.replaceAll('maxelem 4194304', 'maxelem 9')),
      ),
    )
    const firewall = ipsetFirewall(small, iptablesProgram())
    await firewall.prepare()
    await firewall.replace([put('in_hosts4', '203.0.113.7')])
    const many = Array.from({ length: 20 }, (_, index) => put('in_hosts4', `198.18.0.${index}`))
    await assert.rejects(firewall.replace(many), isProblem('kernel_refused', /full.*lift blocks/))
    within(await left(firewall, 'in_hosts4', '203.0.113.7'), 50_000, 60_000)
    await firewall.replace([put('in_hosts4', '203.0.113.8')])
    assert.equal(await left(firewall, 'in_hosts4', '203.0.113.7'), undefined)
    assert.doesNotMatch(sh('ipset list -n'), /_new/)
  })

  for (const [kinds, most, more] of [
    ['rates', 64, (n) => ({ limit: { name: `${n}`, rate: { ...rate, packets: n + 1 } } })],
    ['interfaces', 256, (n) => ({ interface: `eth${n}` })],
    ['peers', 256, (n) => ({ peer: readAddress(`192.0.${n >> 7}.${n & 127}`) })],
  ] as const satisfies [string, number, (n: number) => Partial<ScopedElement>][])
    test(`more different ${kinds} than it may have rules for are refused, until others go`, async () => {
      const firewall = ipsetFirewall(ipsetProgram(), iptablesProgram())
      await firewall.prepare()
      const of = (from: number, count: number): ScopedElement[] =>
        Array.from({ length: count }, (_, index) => {
          const one = more(from + index)
          return element('limit' in one ? 'limit' : 'drop', 'in', '203.0.113.7', one)
        })
      const why = (elements: ScopedElement[]) => firewall.expresses.refuses?.(elements)
      for (const one of of(0, most)) assert.equal(why([one]), undefined)
      assert.match(why(of(most, 1)) ?? '', /more than 64 kinds .* or 256 that differ/)
      assert.equal(why(of(0, 1)), undefined)
      await firewall.setScoped(of(0, most), 0)
      assert.match(why(of(most, 1)) ?? '', /more than 64 kinds .* or 256 that differ/)
      await firewall.setScoped(of(0, most - 1), 0)
      assert.equal(why(of(most, 1)), undefined)
    })

  test('what iptables would not do as it is meant is refused, and says what', () => {
    const { refuses } = ipsetFirewall(ipsetProgram(), iptablesProgram()).expresses
    const limit = (rate: Rate) =>
      element('limit', 'in', '203.0.113.7', { limit: { name: 'one', rate } })
    for (const [elements, why] of [
      [[element('drop', 'in', '203.0.113.7', { interface: 'eth+' })], /the interface eth\+/],
      [[element('drop', 'in', '203.0.113.7', { interface: '!eth0' })], /the interface !eth0/],
      [[element('drop', 'in', '2001:db8::7', { protocol: 'ah' })], /ah as a protocol/],
      [[limit({ ...rate, packets: 10_001, per: 'second' })], /more than 10000 a second/],
      [[limit({ ...rate, burst: 25 })], /a burst of 25, .* more than a day/],
      [[element('drop', 'forward', '203.0.113.7', { peerInterface: 'e+' })], /the interface e\+/],
    ] as const)
      assert.match(refuses?.(elements) ?? '', why)
    assert.equal(refuses?.([element('drop', 'in', '203.0.113.7', { protocol: 'ah' })]), undefined)
    assert.equal(refuses?.([limit({ ...rate, burst: 24 })]), undefined)
  })

  test('a node without IPv6 needs no ip6tables', async () => {
    const started: string[] = []
    const iptables = iptablesBy(
      (name, words, input) => {
        started.push(name)
        return runProgram(name, words, input)
      },
      [4],
    )
    const firewall = ipsetFirewall(ipsetProgram(), iptables)
    await firewall.prepare()
    await firewall.setScoped([element('drop', 'in', '203.0.113.7')], 0)
    await firewall.clear()
    assert.ok(started.length > 0 && !started.some((name) => name.startsWith('ip6tables')))
  })

  test('a set of that name that is not as ours is made anew, and counts as gone', async () => {
    sh('ipset create cordon_in4 hash:ip; ipset add cordon_in4 203.0.113.7')
    const firewall = ipsetFirewall(ipsetProgram(), iptablesProgram())
    assert.equal(await firewall.prepare(), true)
    await firewall.apply([put('in_nets4_24', '203.0.113.0/24')])
    within(await left(firewall, 'in_nets4_24', '203.0.113.0/24'), 50_000, 60_000)
  })

  test('a set of ours in a rule that is not ours is named when it cannot go', async () => {
    const firewall = ipsetFirewall(ipsetProgram(), iptablesProgram())
    await firewall.prepare()
    sh('iptables -A INPUT -m set --match-set cordon_in4 src -j DROP')
    await assert.rejects(firewall.clear(), isProblem('kernel_refused', /not of Cordon uses a set/))
    sh('iptables -F INPUT')
    await firewall.clear()
    assert.equal(sh('ipset list -n'), '')
  })
})

function sh(command: string): string {
  return execFileSync('sh', ['-c', command], { encoding: 'utf8' })
}

/** Without counters and comments. */
function rules(saved: string): string[] {
  return saved
    .replaceAll(/ \[\d+:\d+\]/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** The first thing that is told. */
function firstChange(firewall: Firewall): Promise<string> {
  return new Promise((resolve) => firewall.watch(resolve))
}

function inTime(told: Promise<string>): Promise<string> {
  const late = new Promise<string>((resolve) =>
    setTimeout(resolve, 30_000, 'nothing was told in time').unref(),
  )
  return Promise.race([told, late])
}
