/** What nft is told: elements, and the table itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { readExpiry } from '../../agent/kernel/nft.ts'
import { makeTable, structureMatches } from '../../agent/kernel/ruleset.ts'
import { printSteps } from '../../agent/kernel/script.ts'
import { allSets, setKind } from '../../agent/kernel/sets.ts'
import { neverSteps, transactions } from '../../agent/kernel/transaction.ts'
import { put, remove } from './promises.ts'

const modern = { destroy: true, renew: true }
const old = { destroy: false, renew: false }

function printed(changes: Parameters<typeof transactions>[0], can: typeof modern): string[] {
  return transactions(changes, can).map((steps) => printSteps('cordon', steps))
}

test('a recent kernel is told each change once', () => {
  assert.deepEqual(
    printed(
      [put('in_rare4', '203.0.113.64/27', 90_061_001), remove('in_hosts4', '192.0.2.1')],
      modern,
    ),
    [
      'destroy element inet cordon in_hosts4 { 192.0.2.1 }\n' +
        'add element inet cordon in_rare4 { 203.0.113.64/27 timeout 1d3661s1ms }\n',
    ],
  )
})

test('an older kernel is told to add before it deletes, so that what has expired breaks nothing', () => {
  assert.deepEqual(printed([remove('in_hosts4', '192.0.2.1')], old), [
    'add element inet cordon in_hosts4 { 192.0.2.1 timeout 0d60s0ms }\n' +
      'delete element inet cordon in_hosts4 { 192.0.2.1 }\n',
  ])
})

test('an older kernel is told to delete before it adds with another time', () => {
  assert.deepEqual(printed([put('in_hosts4', '192.0.2.1', 5_000)], old), [
    'add element inet cordon in_hosts4 { 192.0.2.1 timeout 0d60s0ms }\n' +
      'delete element inet cordon in_hosts4 { 192.0.2.1 }\n' +
      'add element inet cordon in_hosts4 { 192.0.2.1 timeout 0d5s0ms }\n',
  ])
})

test('of several changes of one address only the last is told, and no other address is taken for it', () => {
  assert.deepEqual(
    printed(
      [
        put('in_hosts4', '203.0.113.1', 5_000),
        put('in_hosts4', '203.0.113.2', 5_000),
        put('in_hosts6', '2001:db8::1', 5_000),
        put('in_rare4', '203.0.113.0/30', 5_000),
        put('in_rare4', '203.0.113.0/31', 5_000),
        remove('in_rare4', '203.0.113.0/30'),
        put('in_hosts6', '2001:db8::1', 7_000),
        put('in_hosts4', '203.0.113.1', 9_000),
      ],
      modern,
    ),
    [
      'destroy element inet cordon in_rare4 { 203.0.113.0/30 }\n' +
        'add element inet cordon in_hosts4 { 203.0.113.1 timeout 0d9s0ms, 203.0.113.2 timeout 0d5s0ms }\n' +
        'add element inet cordon in_hosts6 { 2001:db8::1 timeout 0d7s0ms }\n' +
        'add element inet cordon in_rare4 { 203.0.113.0/31 timeout 0d5s0ms }\n',
    ],
  )
})

test('no transaction takes more than five thousand changes', () => {
  const many = Array.from({ length: 12_000 }, (_, index) =>
    put('in_hosts4', `198.18.${index >> 8}.${index & 255}`),
  )
  const sizes = transactions(many, modern).map((steps) =>
    steps.reduce((sum, step) => sum + (step.do === 'flush' ? 0 : step.elements.length), 0),
  )
  assert.deepEqual(sizes, [5_000, 5_000, 2_000])
})

test('a time longer than the kernel takes is cut to ten years, a fraction is rounded up', () => {
  const script = printed(
    [put('in_hosts4', '192.0.2.1', 8.64e15), put('in_hosts4', '192.0.2.2', 0.2)],
    modern,
  )
  assert.match(script.join(), /192\.0\.2\.1 timeout 3650d0s0ms, 192\.0\.2\.2 timeout 0d0s1ms/)
})

test('never-block networks inside others are left out, since intervals must not overlap', () => {
  const never = ['192.0.2.7', '192.0.2.0/24', '2001:db8::1', '192.0.2.0/25'].map(readAddress)
  assert.equal(
    printSteps('cordon', neverSteps(never)),
    'flush set inet cordon never4\nadd element inet cordon never4 { 192.0.2.0/24 }\n' +
      'flush set inet cordon never6\nadd element inet cordon never6 { 2001:db8::1 }\n',
  )
})

test('each address has its set', () => {
  const kinds = ['192.0.2.1', '192.0.2.0/24', '192.0.0.0/16', '192.0.2.0/25', '2001:db8::1'].map(
    (text) => setKind(readAddress(text)),
  )
  assert.deepEqual(kinds, ['hosts4', 'nets4_24', 'nets4_16', 'rare4', 'hosts6'])
  const six = ['2001:db8::/64', '2001:db8::/48', '2001:db8::/32'].map((text) =>
    setKind(readAddress(text)),
  )
  assert.deepEqual(six, ['nets6_64', 'nets6_48', 'rare6'])
})

test('every set has a size, and every set of blocks ends its elements by itself', () => {
  const text = makeTable()
  for (const { name, timeout } of allSets) {
    const line = text.split('\n').find((one) => one.includes(` ${name} `)) ?? ''
    assert.match(line, /size \d+;/)
    assert.equal(/flags [a-z, ]*timeout.*gc-interval 60s/.test(line), timeout)
    assert.doesNotMatch(line, /auto-merge/)
  }
})

test('the only way to a drop leads past the never-block set', () => {
  const rules = makeTable()
    .split('\n')
    .filter((line) => line.startsWith('add rule'))
  for (const [index, rule] of rules.entries())
    if (rule.endsWith(' drop')) {
      const before = rules.slice(Math.max(0, index - 3), index)
      const chain = /cordon (\S+)/.exec(rule)?.[1] ?? ''
      assert.ok(before.some((one) => new RegExp(`${chain} .*@never[46] return$`).test(one)))
    }
  assert.equal(rules.filter((rule) => rule.endsWith(' drop')).length, 6)
})

test('a listing that cannot be understood is a table of another version', () => {
  for (const listing of [undefined, {}, { nftables: [] }, { nftables: [{ set: { name: 'old' } }] }])
    assert.equal(structureMatches(listing), false)
})

test('the time that nft prints is read to the millisecond', () => {
  const listing =
    'elements = { 203.0.113.7 timeout 1d expires 23h59m58s7ms, 203.0.113.70 timeout 1m }'
  assert.equal(readExpiry(listing, '203.0.113.7'), 86_398_007)
  assert.equal(readExpiry(listing, '203.0.113.9'), undefined)
})
