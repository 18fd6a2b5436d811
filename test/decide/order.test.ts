/** What no person may order, and how long a repeat offender is blocked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { blockLength, checkOrder } from '../../actions/decide/order.ts'

const policy = { protect: [{ address: readAddress('198.51.100.0/24'), why: 'our office' }] }
const facts = { own: ['2001:db8::1'], sheltered: [] }
const order = (target: string) => checkOrder({ target, policy, facts })

describe('a block by hand', () => {
  const refused: [string, string, string][] = [
    ['of the whole internet', '0.0.0.0/0', 'too_wide'],
    ['of half the internet', '128.0.0.0/1', 'too_wide'],
    ['of the whole IPv6 internet', '::/0', 'too_wide'],
    ['of loopback', '127.0.0.1', 'protected_target'],
    ['of mapped loopback', '::ffff:127.0.0.1', 'protected_target'],
    ['of a protected host', '198.51.100.9', 'protected_target'],
    ['of a network around a protected one', '198.51.0.0/16', 'protected_target'],
    ['of a node of ours', '2001:db8::1', 'protected_target'],
    ['of the network of a node of ours', '2001:db8::/64', 'protected_target'],
    ['of a name', 'example.org', 'address_invalid'],
  ]
  for (const [what, target, code] of refused)
    test(`${what} is refused and says what to do`, () => {
      assert.throws(
        () => order(target),
        (error) => error instanceof Problem && error.code === code && error.remedy !== undefined,
      )
    })

  test('may be wider than the ceilings of the policy, which are for rules', () => {
    assert.equal(order('203.0.0.0/16').text, '203.0.0.0/16')
  })

  test('is of the canonical target', () => {
    assert.equal(order('2001:DB8:0::00ff').text, '2001:db8::ff')
  })
})

test('a first offence is blocked for the length of the rule', () => {
  assert.equal(blockLength(60_000, { factor: 4, ceilingMs: 600_000 }, 0), 60_000)
})
