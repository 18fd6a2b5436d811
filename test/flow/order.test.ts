/** Orders of people: what held at the beginning is checked again whenever a block is made or prolonged. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { longestReason } from '#contract/action.ts'
import { claimsOf } from '../claims.ts'
import { openTestService, plainPolicy } from '../service.ts'

describe('a block whose target is protected since', () => {
  test('is not prolonged, and ends when it was to end', async (t) => {
    const service = await openTestService()
    t.after(() => service.close())
    const who = { actor: 'token/test', reason: 'test' }
    const order = { target: '203.0.113.7', lengthMs: 3_600_000 }
    const { id, notAfter } = await service.flow.orders.order(order, who)
    service.setPolicy(plainPolicy.replace('198.51.100.64/28', '203.0.113.0/28'))
    await assert.rejects(service.flow.orders.extend(id, 7_200_000, who), {
      code: 'protected_target',
    })
    const shown = await service.ask('GET', `/v1/decisions/${id}`)
    assert.equal(Date.parse(shown.body.decision?.not_after ?? ''), notAfter)
  })
})

describe('a reason longer than an action may carry', () => {
  test('is cut in the order to the nodes and kept whole in the journal', async (t) => {
    const service = await openTestService()
    t.after(() => service.close())
    const who = { actor: 'token/test', reason: 'r'.repeat(longestReason + 100) }
    const order = { target: '203.0.113.7', lengthMs: 3_600_000 }
    const { id } = await service.flow.orders.order(order, who)
    const [claim] = await claimsOf(service.flow.store.read, 'all', service.clock.now)
    assert.equal(claim?.reason.length, longestReason)
    const lifted = await service.flow.orders.lift(id, who)
    assert.equal(lifted.note, who.reason)
    const journal = await service.ask('GET', `/v1/journal?subject=${id}`)
    assert.ok(journal.text.includes(who.reason))
  })
})
