/** Rows of a whole state: each is taken as the schema of an action takes it, or refused by itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type BlockAction, readAction, type StandingAction } from '#contract/action.ts'
import { maybeAddress } from '#contract/address.ts'
import { printRow, readRow } from '#contract/row.ts'
import { chunkDigest, readChunk } from '#contract/snapshot.ts'

const known: BlockAction = {
  action: 'block',
  decision: 'd-4x7k2m9qz1hb0wfa',
  target: '203.0.113.7',
  direction: 'in',
  issued: 1,
  not_after: 2,
  reason: 'brute force',
}

const part = fc.oneof(
  fc.constantFrom<unknown>(
    ...Object.values(known),
    ...['out', 'both', 'forward', '2001:db8::/64', '2001:DB8::1', '203.0.113.7/24', 'd-1', -1, 1.5],
    ...[
      8.64e15,
      8.64e15 + 1,
      Number.NaN,
      null,
      undefined,
      [],
      {},
      'x'.repeat(200),
      'x'.repeat(201),
    ],
  ),
  fc.anything(),
)

test('a row is taken exactly when the schema of an action takes what stands in it', () => {
  const row = fc.tuple(
    fc.oneof(fc.constant<unknown>(known.decision), part),
    fc.oneof(fc.constant<unknown>(known.target), part),
    fc.oneof(fc.constant<unknown>('out'), part),
    fc.oneof(fc.integer(), part),
    fc.oneof(fc.integer(), part),
    fc.oneof(fc.string(), part),
  )
  fc.assert(
    fc.property(row, (given) => {
      const [decision, target, direction, issued, not_after, reason] = given
      const entry = { action: 'block', decision, target, direction, issued, not_after, reason }
      const read = readRow(given)
      assert.deepEqual('order' in read ? read.order : 'refused', schemaSays(entry))
      if ('order' in read) assert.deepEqual(read.target, maybeAddress(read.order.target))
    }),
    { numRuns: 2_000 },
  )
})

test('what is printed reads back, also with a narrower scope, an exception or a rate', () => {
  const { action: _, ...rest } = known
  const orders: StandingAction[] = [
    known,
    { ...known, ports: ['22', '8000-8100'], protocol: 'tcp', response: 'reject' },
    { ...rest, action: 'allow', interface: 'ppp*' },
    { ...rest, action: 'limit', rate: { packets: 5, per: 'second', burst: 10 } },
  ]
  for (const order of orders) {
    const read = readRow(JSON.parse(printRow(order)))
    assert.deepEqual('order' in read && read.order, order)
  }
})

test('what this version does not know is refused row by row, with the decision where it can be told', () => {
  const row = JSON.parse(printRow(known))
  const rows = [
    ['d-0000000000000001', '203.0.113.8', 'sideways', 1, 2, 'a direction of a newer version'],
    [...row, { speed: 10 }],
    [...row, { target: '203.0.113.9' }],
    [...row, {}, 'more'],
    row.slice(0, 5),
    ['?', ...row.slice(1)],
    { kind: 'limit' },
    7,
    row,
  ]
  const text = JSON.stringify(rows)
  const read = [...readChunk(text, chunkDigest(text))]
  assert.deepEqual(
    read.map((one) => ('order' in one ? one.order.target : `${one.refused.code} ${one.decision}`)),
    [
      'unsupported d-0000000000000001',
      ...Array.from({ length: 4 }, () => `unsupported ${known.decision}`),
      ...Array.from({ length: 3 }, () => 'unsupported undefined'),
      known.target,
    ],
  )
})

function schemaSays(entry: unknown): unknown {
  try {
    return readAction(entry)
  } catch {
    return 'refused'
  }
}
