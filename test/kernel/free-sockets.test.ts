/** What a block does to the node's own sockets of the flow that it cuts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { dryRunFirewall } from '../../agent/kernel/dry-run.ts'
import type { Firewall, Put } from '../../agent/kernel/firewall.ts'
import { freeingSockets } from '../../agent/kernel/free-sockets.ts'

const put = (text: string): Put => ({
  op: 'put',
  set: 'in_hosts4',
  address: readAddress(text),
  timeoutMs: 60_000,
})

function stage(apply: Firewall['apply']) {
  const cut: string[] = []
  const kernel = {
    ...dryRunFirewall(
      () => {},
      () => 0,
    ),
    enforcing: true,
    apply,
  }
  const cutter = { cut: ({ text }: { text: string }) => void cut.push(text), close: async () => {} }
  return { cut, firewall: freeingSockets(kernel, cutter) }
}

test('sockets are freed only after the kernel has confirmed the block', async () => {
  const kernel = Promise.withResolvers<void>()
  const { cut, firewall } = stage(() => kernel.promise)
  const applied = firewall.apply([put('203.0.113.7'), { ...put('203.0.113.8'), op: 'remove' }])
  assert.deepEqual(cut, [])
  kernel.resolve()
  await applied
  assert.deepEqual(cut, ['203.0.113.7'])
})

test('no socket is freed for a block that the kernel refused', async () => {
  const { cut, firewall } = stage(() => Promise.reject(new Error('refused')))
  await assert.rejects(firewall.apply([put('203.0.113.7')]))
  assert.deepEqual(cut, [])
})

test('a dry run frees no socket', () => {
  const dry = dryRunFirewall(
    () => {},
    () => 0,
  )
  assert.equal(freeingSockets(dry), dry)
})
