/** Kernels that do not renew: an element may end between the add and the delete of one transaction. */
import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import type { Carrier } from '../../agent/kernel/carrier.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { nftProgram } from '../../agent/kernel/nft.ts'
import { kernelFirewall } from '../../agent/kernel/table.ts'
import { ownNamespace } from '../namespace.ts'
import { isProblem, left, put, remove, within } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const old = { destroy: false, renew: false }

describe('an element that ends in the middle of a transaction', { skip: kernel.skip }, () => {
  const carrier = kernel.skip ? undefined : netlinkCarrier()
  let ending = 0
  let commits = 0
  const expresses = { scopes: true, reject: true }
  const proven = carrier && { carrier: endingIn(carrier), can: old, expresses }
  const firewall = proven && kernelFirewall(proven, nftProgram())

  beforeEach(async () => {
    await firewall?.clear()
    await firewall?.prepare()
    commits = 0
  })
  after(() => firewall?.clear())

  test('costs a second attempt, after which everything of the transaction holds', async () => {
    assert.ok(firewall)
    ending = 1
    await firewall.apply([put('in_hosts4', '203.0.113.7'), put('in_hosts4', '203.0.113.9')])
    assert.equal(commits, 2)
    within(await left(firewall, 'in_hosts4', '203.0.113.7'), 50_000, 60_000)
    within(await left(firewall, 'in_hosts4', '203.0.113.9'), 50_000, 60_000)
  })

  test('costs a second attempt also when it was to be removed', async () => {
    assert.ok(firewall)
    ending = 1
    await firewall.apply([remove('in_hosts4', '203.0.113.7'), put('in_hosts4', '203.0.113.9')])
    assert.equal(commits, 2)
    assert.equal(await left(firewall, 'in_hosts4', '203.0.113.7'), undefined)
    within(await left(firewall, 'in_hosts4', '203.0.113.9'), 50_000, 60_000)
  })

  test('is not what is wrong when the kernel refuses twice, and nothing of it holds', async () => {
    assert.ok(firewall)
    ending = 2
    await assert.rejects(
      firewall.apply([put('in_hosts4', '203.0.113.7'), put('in_hosts4', '203.0.113.9')]),
      isProblem('kernel_refused', /in_hosts4/),
    )
    assert.equal(commits, 2)
    assert.equal(await left(firewall, 'in_hosts4', '203.0.113.9'), undefined)
  })

  /**
   * The first add of a transaction finds the element and does nothing; then the element ends, so that the kernel
   * refuses the delete: the same as if the add had not been said.
   */
  function endingIn(real: Carrier): Carrier {
    return {
      ...real,
      commit: (table, steps) => {
        commits++
        const ends = ending > 0 && steps[0]?.do === 'add'
        if (ends) ending--
        return real.commit(table, ends ? steps.slice(1) : steps)
      },
    }
  }
})
