/** A kernel that refuses for long what is more than a plain block: plain blocks are left in peace, and lifts go through. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, type TestContext, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Healer } from '../../agent/heal.ts'
import type { ScopedElement } from '../../agent/kernel/firewall.ts'
import { enforceFrom } from './enforcing.ts'
import type { MemoryFirewall } from './memory-firewall.ts'
import { block, decision, lift, Sequence } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-scoped-refused-'))
after(() => rmSync(root, { recursive: true }))

let count = 0
let node: ReturnType<typeof enforceFrom>
let all: Sequence
beforeEach(() => {
  node = enforceFrom(join(root, `${count++}`))
  all = new Sequence('all')
})

const tcp = { protocol: 'tcp' } as const
/** So that the table is not gone. */
const left = { set: 'in_hosts4', address: readAddress('203.0.113.9'), timeoutMs: 1_000 } as const

async function order(...actions: Parameters<Sequence['next']>[0]): Promise<void> {
  node.enforcer.take(all.next(actions))
  await node.enforcer.settled()
}

/** Any at all. */
function refuseScoped(firewall: MemoryFirewall): void {
  const setScoped = firewall.setScoped.bind(firewall)
  firewall.setScoped = async (elements, now) => {
    firewall.refusingScoped = elements.length > 0
    await setScoped(elements, now)
  }
}

/** Lets what waits for the kernel go on, step by step. */
async function pass(context: TestContext, ms: number): Promise<void> {
  for (let step = 0; step < ms / 1_000; step++) {
    context.mock.timers.tick(1_000)
    await node.enforcer.settled()
  }
}

test('it is tried again by itself, ever more seldom, and no plain block is written anew for it', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  await order(block(1))
  node.firewall.refusingScoped = true
  await order(block(2, tcp))
  const { replaced, prepared } = node.firewall
  let tries = 0
  const setScoped = node.firewall.setScoped.bind(node.firewall)
  node.firewall.setScoped = (elements, now) => {
    if (elements.length > 0) tries++
    return setScoped(elements, now)
  }
  await pass(context, 600_000)
  assert.deepEqual([node.firewall.replaced, node.firewall.prepared], [replaced, prepared])
  assert.ok(tries >= 2 && tries <= 40, `tried ${tries} times in ten minutes`)
  node.firewall.refusingScoped = false
  await pass(context, 61_000)
  assert.equal(node.enforcer.problem, undefined)
  assert.equal(node.firewall.scoped.length, 1)
  assert.equal(node.said().at(-1), `${decision(2)} applied 1:2`)
})

test('a lift goes through although the kernel refuses another order that came since', async () => {
  await order(block(1, tcp), block(2, tcp))
  const { firewall } = node
  const poison = (element: ScopedElement) => element.address.text === '203.0.113.3'
  const setScoped = firewall.setScoped.bind(firewall)
  firewall.setScoped = async (elements, now) => {
    firewall.refusingScoped = elements.some(poison)
    await setScoped(elements, now)
  }
  await order(block(3, tcp))
  assert.equal(node.said().at(-1), `${decision(3)} failed 1:2`)
  await order(lift(1))
  assert.deepEqual(
    firewall.scoped.map(({ address }) => address.text),
    ['203.0.113.2'],
  )
  assert.equal(node.said().at(-1), `${decision(1)} ended 1:3`, 'and it is answered')
  await order(lift(3))
  assert.equal(node.enforcer.problem, undefined)
})

test('a lift of a plain block is answered while an order beyond it is refused', async () => {
  const { firewall } = node
  await node.enforcer.replace()
  await order(block(1))
  refuseScoped(firewall)
  await order(block(2, tcp))
  await order(lift(1))
  assert.deepEqual(firewall.keys(), [])
  assert.equal(node.said().at(-1), `${decision(1)} ended 1:3`)
})

test('what an earlier process left in the kernel stays when it refuses at the start', async () => {
  await order(block(1, { ...tcp, response: 'reject' }))
  await node.enforcer.stop()
  const next = enforceFrom(join(root, `${count - 1}`))
  const { firewall } = next
  firewall.scoped = node.firewall.scoped
  await firewall.apply([{ op: 'put', ...left }])
  refuseScoped(firewall)
  await next.enforcer.replace()
  assert.equal(next.enforcer.problem?.code, 'kernel_refused')
  assert.deepEqual(
    firewall.scoped.map(({ address }) => address.text),
    ['203.0.113.1'],
  )
  await next.enforcer.stop()
})

test('after a boot at which the kernel refuses, a lift of a plain block is answered', async () => {
  await order(block(1), block(2, tcp))
  await node.enforcer.stop()
  node = enforceFrom(join(root, `${count - 1}`))
  refuseScoped(node.firewall)
  await node.enforcer.replace()
  await order(lift(1))
  assert.deepEqual(node.firewall.keys(), [])
  assert.equal(node.said().at(-1), `${decision(1)} ended 1:2`)
})

test('a healing that leaves only that is told to nobody as one, and is not begun anew', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const told: string[] = []
  let heals = 0
  const healer = new Healer({
    heal: async () => {
      heals++
      return 'partly'
    },
    healed: (why) => told.push(why),
    monotonic: () => 1_000_000,
  })
  healer.disturbed('the kernel refused')
  for (let step = 0; step < 60; step++) {
    context.mock.timers.tick(1_000)
    await Promise.resolve()
  }
  assert.deepEqual([heals, told], [1, []])
  await healer.stop()
})
