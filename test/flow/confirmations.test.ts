/** Waiting until the nodes have confirmed, so that an answer says what is so. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Receipt } from '#contract/receipt.ts'
import { openConfirmations } from '../../actions/flow/confirmations.ts'
import { listen } from '../listening.ts'
import { openTestService } from '../service.ts'

const decision = 'd-0000000000000001'
const receipt: Receipt = { decision, status: 'applied', audience: 'all', epoch: 1, seq: 1, at: 0 }

describe('who waits for a decision', () => {
  test('goes on when so many different nodes have answered, and not before', async () => {
    const confirmations = openConfirmations()
    let done = false
    const waiting = confirmations
      .listen()
      .until(new Map([[decision, 2]]), 60_000)
      .then(() => {
        done = true
      })
    confirmations.hear('a', [receipt])
    confirmations.hear('a', [receipt])
    await new Promise(setImmediate)
    assert.equal(done, false)
    confirmations.hear('b', [receipt])
    await waiting
  })

  test('hears a node that answers before the one who ordered has begun to wait', async () => {
    const confirmations = openConfirmations()
    const listening = confirmations.listen()
    confirmations.hear('a', [receipt])
    await listening.until(new Map([[decision, 1]]), 60_000)
  })

  test('is not displaced by another who waits for the same', async () => {
    const confirmations = openConfirmations()
    const both = [1, 2].map(() => confirmations.listen().until(new Map([[decision, 1]]), 60_000))
    confirmations.hear('a', [receipt])
    await Promise.all(both)
  })

  test('does not wait where no node is connected, and waits no longer than was said', async () => {
    const confirmations = openConfirmations()
    await confirmations.listen().until(new Map([[decision, 0]]), 60_000)
    await confirmations.listen().until(new Map([[decision, 1]]), 0)
    await confirmations.listen().until(new Map([[decision, 1]]), 1)
  })

  test('by hand hears that it is in the kernel as soon as the node says so', async (t) => {
    const service = await openTestService()
    const server = await listen(service)
    t.after(async () => {
      await server.close()
      await service.close()
    })
    const node = await service.enrol('web-01')
    const follower = await server.follow(node, 'all:1:0:')
    await follower.wait('resync')
    for (let n = 0; n < 5; n++) await service.flow.store.write(async () => {})
    const ordered = service.ask('POST', '/v1/decisions?wait_s=10', {
      body: { target: '203.0.113.7', for: '1h', reason: 'test' },
    })
    await follower.wait('envelope')
    const [envelope] = follower.envelopes()
    const entry = envelope?.actions[0]
    assert.ok(typeof entry === 'object' && entry !== null && 'decision' in entry)
    await service.ask('POST', '/v1/receipts', {
      token: node.bearer(),
      body: { receipts: [{ ...receipt, decision: entry.decision }] },
    })
    const answer = await ordered
    assert.deepEqual(
      [answer.body.decision?.state, answer.body.decision?.message],
      ['applied', 'in the kernel of 1 of 1 nodes'],
    )
  })
})
