/** What every back end promises, without traffic: one suite for all of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Firewall, Put, Remove, SetName } from '../../agent/kernel/firewall.ts'

export function put(set: SetName, text: string, timeoutMs = 60_000): Put {
  return { op: 'put', set, address: readAddress(text), timeoutMs }
}

export function remove(set: SetName, text: string): Remove {
  return { op: 'remove', set, address: readAddress(text) }
}

export function left(firewall: Firewall, set: SetName, text: string): Promise<number | undefined> {
  return firewall.remaining(set, readAddress(text))
}

export function isProblem(code: string, words: RegExp = /./) {
  return (error: unknown) =>
    error instanceof Problem &&
    error.code === code &&
    words.test(`${error.message} ${error.remedy}`)
}

/** One of each kind of set: what is blocked, addresses that it covers, and neighbours that it does not. */
export const kinds = [
  { kind: 'hosts4', text: '203.0.113.7', covers: ['203.0.113.7'], spares: ['203.0.113.8'] },
  {
    kind: 'nets4_24',
    text: '203.0.113.0/24',
    covers: ['203.0.113.1', '203.0.113.254'],
    spares: ['192.0.2.5'],
  },
  { kind: 'nets4_16', text: '203.0.0.0/16', covers: ['203.0.113.200'], spares: ['192.0.2.5'] },
  {
    kind: 'rare4',
    text: '203.0.113.64/27',
    covers: ['203.0.113.64', '203.0.113.95'],
    spares: ['203.0.113.63', '203.0.113.96'],
  },
  {
    kind: 'hosts6',
    text: '2001:db8:a::7',
    covers: ['2001:db8:a::7'],
    spares: ['2001:db8:a::8'],
  },
  {
    kind: 'nets6_64',
    text: '2001:db8:a:5::/64',
    covers: ['2001:db8:a:5::', '2001:db8:a:5:ffff:ffff:ffff:ffff'],
    spares: ['2001:db8:a:4::1', '2001:db8:a:6::1'],
  },
  {
    kind: 'nets6_48',
    text: '2001:db8:a::/48',
    covers: ['2001:db8:a::1', '2001:db8:a:ffff::1'],
    spares: ['2001:db8:c::1'],
  },
  {
    kind: 'rare6',
    text: '2001:db8:a:4000::/50',
    covers: ['2001:db8:a:4000::1', '2001:db8:a:7fff::1'],
    spares: ['2001:db8:a:3fff::1', '2001:db8:a:8000::1'],
  },
] as const

export function keepsPromises(firewall: () => Firewall): void {
  test('every kind of set holds what is put, for its time, until it is removed', async () => {
    for (const way of ['in', 'out'] as const)
      for (const { kind, text } of kinds) {
        const set = `${way}_${kind}` as const
        assert.equal(await left(firewall(), set, text), undefined)
        await firewall().apply([put(set, text, 50_000)])
        within(await left(firewall(), set, text), 45_000, 50_000)
        await firewall().apply([remove(set, text)])
        assert.equal(await left(firewall(), set, text), undefined)
      }
  })

  test('putting again with a longer time extends, with a shorter one shortens', async () => {
    for (const { kind, text } of kinds) {
      const set = `in_${kind}` as const
      await firewall().apply([put(set, text, 50_000)])
      await firewall().apply([put(set, text, 500_000)])
      within(await left(firewall(), set, text), 490_000, 500_000)
      await firewall().apply([put(set, text, 20_000)])
      within(await left(firewall(), set, text), 15_000, 20_000)
      await firewall().apply([remove(set, text)])
    }
  })

  test('removing what is not there is no error', async () => {
    await firewall().apply([
      remove('in_hosts4', '203.0.113.99'),
      remove('in_rare6', '2001:db8:a::/45'),
      put('in_hosts4', '203.0.113.98'),
    ])
    within(await left(firewall(), 'in_hosts4', '203.0.113.98'), 50_000, 60_000)
    await firewall().apply([remove('in_hosts4', '203.0.113.98')])
  })

  test('of several changes to one element in a batch the last counts', async () => {
    await firewall().apply([
      put('in_hosts4', '203.0.113.7', 10_000),
      put('in_hosts4', '203.0.113.7', 50_000),
      put('in_hosts4', '203.0.113.8'),
      remove('in_hosts4', '203.0.113.8'),
    ])
    within(await left(firewall(), 'in_hosts4', '203.0.113.7'), 45_000, 50_000)
    assert.equal(await left(firewall(), 'in_hosts4', '203.0.113.8'), undefined)
  })

  test('a put whose time is over removes, and never blocks for ever', async () => {
    await firewall().apply([put('in_hosts4', '203.0.113.7'), put('in_hosts4', '203.0.113.8', 0)])
    await firewall().apply([put('in_hosts4', '203.0.113.7', -5)])
    assert.equal(await left(firewall(), 'in_hosts4', '203.0.113.7'), undefined)
    assert.equal(await left(firewall(), 'in_hosts4', '203.0.113.8'), undefined)
  })

  test('a network takes the place of a wider one around it in one batch', async () => {
    await firewall().apply([put('in_rare4', '198.18.0.0/20')])
    await firewall().apply([put('in_rare4', '198.18.0.0/21'), remove('in_rare4', '198.18.0.0/20')])
    assert.equal(await left(firewall(), 'in_rare4', '198.18.0.0/20'), undefined)
    within(await left(firewall(), 'in_rare4', '198.18.0.0/21'), 50_000, 60_000)
    await firewall().apply([remove('in_rare4', '198.18.0.0/21')])
  })

  test('networks at both edges of all addresses are held', async () => {
    const edges = [put('in_rare4', '0.0.0.0/7'), put('in_rare4', '254.0.0.0/7')]
    await firewall().apply([...edges, put('in_rare6', 'fe00::/7')])
    within(await left(firewall(), 'in_rare4', '0.0.0.0/7'), 50_000, 60_000)
    within(await left(firewall(), 'in_rare4', '254.0.0.0/7'), 50_000, 60_000)
    within(await left(firewall(), 'in_rare6', 'fe00::/7'), 50_000, 60_000)
    await firewall().replace([])
    assert.equal(await left(firewall(), 'in_rare4', '254.0.0.0/7'), undefined)
  })

  test('a network is never cut down to its first address, nor a host widened to a network', async () => {
    const misfits = [
      put('in_hosts4', '203.0.113.0/24'),
      put('in_nets4_24', '203.0.113.0'),
      put('in_rare4', '203.0.113.7'),
      put('in_nets6_64', '2001:db8:a::/48'),
      put('in_hosts6', '203.0.113.7'),
    ]
    for (const misfit of misfits)
      await assert.rejects(firewall().apply([misfit]), isProblem('unsupported', /does not fit/))
  })

  test('replacing leaves exactly what was given', async () => {
    await firewall().apply([put('in_hosts4', '203.0.113.1'), put('out_rare6', '2001:db8:a::/47')])
    await firewall().replace([put('in_hosts4', '203.0.113.2'), put('out_hosts6', '2001:db8:a::2')])
    assert.equal(await left(firewall(), 'in_hosts4', '203.0.113.1'), undefined)
    assert.equal(await left(firewall(), 'out_rare6', '2001:db8:a::/47'), undefined)
    within(await left(firewall(), 'in_hosts4', '203.0.113.2'), 50_000, 60_000)
    within(await left(firewall(), 'out_hosts6', '2001:db8:a::2'), 50_000, 60_000)
    await firewall().replace([])
  })

  test('a hundred thousand blocks are loaded, and let go', async () => {
    const many = Array.from({ length: 100_000 }, (_, index) =>
      put('in_hosts4', `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`, 600_000),
    )
    await firewall().apply(many)
    for (const { address } of [many[0], many[4_999], many[5_000], many[99_999]].flatMap(
      (one) => one ?? [],
    ))
      within(await firewall().remaining('in_hosts4', address), 500_000, 600_000)
    await firewall().replace([])
    assert.equal(await left(firewall(), 'in_hosts4', '198.18.0.0'), undefined)
  })
}

export function within(value: number | undefined, least: number, most: number): void {
  assert.ok(
    value !== undefined && value >= least && value <= most,
    `${value} is not from ${least} to ${most}`,
  )
}
