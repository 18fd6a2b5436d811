/** The dry run promises what the kernel would, and prints what it would be told. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { dryRunFirewall } from '../../agent/kernel/dry-run.ts'
import { keepsPromises, left, put, remove } from './promises.ts'

describe('a dry run', () => {
  const firewall = dryRunFirewall(
    () => {},
    () => 0,
  )
  keepsPromises(() => firewall)

  test('lets go by the clock it was given', async () => {
    let now = 1_000
    const clocked = dryRunFirewall(
      () => {},
      () => now,
    )
    await clocked.apply([put('in_hosts4', '203.0.113.7', 500)])
    now = 1_499
    assert.equal(await left(clocked, 'in_hosts4', '203.0.113.7'), 1)
    now = 1_500
    assert.equal(await left(clocked, 'in_hosts4', '203.0.113.7'), undefined)
  })

  test('prints of a list how many networks it has, not each of them', async () => {
    const printed: string[] = []
    const printing = dryRunFirewall(
      (script) => printed.push(script),
      () => 0,
    )
    const address = readAddress('203.0.113.0/24')
    assert.equal(await printing.fillFeeds('a', [{ address, timeoutMs: 60_000 }]), 1)
    await printing.emptyFeeds('b')
    assert.deepEqual(printed, [
      'flush set inet cordon feeds4_a\nflush set inet cordon feeds6_a\n',
      '# 1 networks of lists go into feeds4_a and feeds6_a\n',
      'flush set inet cordon feeds4_b\nflush set inet cordon feeds6_b\n',
    ])
  })

  test('prints the script that would be run', async () => {
    const printed: string[] = []
    const printing = dryRunFirewall(
      (script) => printed.push(script),
      () => 0,
    )
    await printing.setNever([readAddress('192.0.2.1')])
    await printing.apply([
      put('in_nets4_24', '203.0.113.0/24'),
      remove('out_hosts6', '2001:db8::7'),
    ])
    assert.deepEqual(printed, [
      'flush set inet cordon never4\n' +
        'add element inet cordon never4 { 192.0.2.1 }\n' +
        'flush set inet cordon never6\n',
      'destroy element inet cordon out_hosts6 { 2001:db8::7 }\n' +
        'add element inet cordon in_nets4_24 { 203.0.113.0 timeout 0d60s0ms }\n',
    ])
  })
})
