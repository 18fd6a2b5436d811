/** However receipts wait, they are told in order and as they were given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Receipt } from '#contract/receipt.ts'
import { ReceiptQueue } from '../../agent/receipt-queue.ts'
import { decision, today } from './signer.ts'

const receipt: fc.Arbitrary<Receipt> = fc.record(
  {
    decision: fc.nat(5).map(decision),
    status: fc.constantFrom('applied', 'ended', 'refused'),
    audience: fc.constantFrom('all', 'node/a'),
    epoch: fc.integer({ min: 1, max: 2 }),
    seq: fc.nat(1),
    at: fc.constantFrom(today, today + 1),
    code: fc.constant('too_wide'),
    detail: fc.constantFrom('too wide', 'no interface eth7 now'),
    hits: fc.constant({ packets: 3, last: today }),
  },
  { requiredKeys: ['decision', 'status', 'audience', 'epoch', 'seq', 'at'], noNullPrototype: true },
)

const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), receipts: fc.array(receipt) }),
  fc.record({ do: fc.constant('take' as const), most: fc.nat(8) }),
  fc.record({ do: fc.constant('take and put back' as const), most: fc.nat(8) }),
)

test('what waits is told in the order in which it came, each receipt as it was given', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const queue = new ReceiptQueue()
      let model: Receipt[] = []
      for (const one of steps) {
        if (one.do === 'add') {
          for (const { at, ...answer } of one.receipts) queue.add(answer, at)
          model.push(...one.receipts)
        } else {
          const taken = queue.take(one.most)
          assert.deepEqual(taken, model.slice(0, one.most))
          if (one.do === 'take') model = model.slice(one.most)
          else queue.putBack(taken)
        }
        assert.equal(queue.size, model.length)
      }
      assert.deepEqual(queue.take(model.length + 1), model)
    }),
  )
})
