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
import { block, decision, lift, Sequence, today } from './signer.ts'

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

/** As a kernel that takes anything but these hosts, alone or beside others. How often it was asked. */
function refuseHosts(firewall: MemoryFirewall, ...hosts: readonly number[]): () => number {
  const refused = hosts.map((n) => `203.0.113.${n}`)
  const setScoped = firewall.setScoped.bind(firewall)
  let asked = 0
  firewall.setScoped = async (elements, now) => {
    asked++
    firewall.refusingScoped = elements.some(({ address }) => refused.includes(address.text))
    await setScoped(elements, now)
  }
  return () => asked
}

const inForce = (firewall = node.firewall) =>
  firewall.scoped.map(({ address }) => Number(address.text.split('.').at(-1))).sort((a, b) => a - b)

/** The newest word on each. */
const newest = () => new Map(node.answers.map((one) => [one.decision, one]))
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

test('one order that the kernel refuses keeps none of those that came with it or come later out', async () => {
  await node.enforcer.replace()
  await order(block(1, tcp))
  refuseHosts(node.firewall, 3)
  await order(block(2, tcp), block(3, tcp), block(4, tcp))
  assert.deepEqual(inForce(), [1, 2, 4])
  await order(block(5, tcp))
  assert.deepEqual(inForce(), [1, 2, 4, 5])
  const said = range(1, 5)
    .map((n) => newest().get(decision(n)))
    .map((one) => [one?.status, one?.code, one?.detail])
  const applied = ['applied', undefined, undefined]
  assert.deepEqual(said, [
    applied,
    applied,
    ['failed', 'kernel_refused', 'this kernel was told to refuse'],
    applied,
    applied,
  ])
  assert.equal(node.enforcer.refusesScoped, true)
})

test('one among a thousand is found in few tries, and nothing that was in force is ever missing', async () => {
  await node.enforcer.replace()
  await order(block(1, tcp))
  const asked = refuseHosts(node.firewall, 77)
  const setScoped = node.firewall.setScoped
  const missing: number[] = []
  node.firewall.setScoped = async (elements, now) => {
    try {
      await setScoped(elements, now)
    } finally {
      if (!inForce().includes(1)) missing.push(asked())
    }
  }
  const ports = (n: number) => ({ protocol: 'tcp' as const, ports: [`${n}`] })
  const many = range(2, 200).flatMap((n) =>
    range(1, 5).map((port) => block(n * 10 + port, { ...ports(port), target: `203.0.113.${n}` })),
  )
  const culprits = many.filter(({ target }) => target === '203.0.113.77')
  await order(...many)
  assert.equal(node.firewall.scoped.length, 1 + many.length - culprits.length)
  assert.ok(asked() <= 60, `asked ${asked()} times`)
  assert.deepEqual(missing, [])
  const failed = node.answers.filter(({ status }) => status === 'failed')
  assert.deepEqual(
    failed.map((one) => one.decision),
    culprits.map((one) => one.decision),
  )
})

test('where many are refused the tries of one go are bounded, and all that can be are taken in the end', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  await node.enforcer.replace()
  const odd = range(1, 120).filter((n) => n % 2 === 1)
  const asked = refuseHosts(node.firewall, ...odd)
  await order(...range(1, 120).map((n) => block(n, tcp)))
  assert.ok(asked() <= 60, `asked ${asked()} times`)
  assert.ok(inForce().length < 60)
  await pass(context, 300_000)
  assert.deepEqual(
    inForce(),
    range(1, 120).filter((n) => n % 2 === 0),
  )
  const failed = [...newest().values()].filter(({ status }) => status === 'failed')
  assert.deepEqual(
    failed.map((one) => one.decision).sort(),
    odd.map((n) => decision(n)),
  )
  const before = asked()
  await pass(context, 600_000)
  assert.ok(asked() - before <= 60 * 12, `asked ${asked() - before} times in ten minutes`)
})

test('what is refused is taken in and answered as soon as the kernel has it, without any other order', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  await node.enforcer.replace()
  const { firewall } = node
  const setScoped = firewall.setScoped.bind(firewall)
  refuseHosts(firewall, 2)
  await order(block(1, tcp), block(2, tcp))
  assert.equal(newest().get(decision(2))?.status, 'failed')
  firewall.setScoped = setScoped
  firewall.refusingScoped = false
  await pass(context, 2_000)
  assert.deepEqual(inForce(), [1, 2])
  assert.equal(newest().get(decision(2))?.status, 'applied')
  assert.equal(node.enforcer.problem, undefined)
})

test('an order that is put longer stays in force while its new end is refused with another', async () => {
  await node.enforcer.replace()
  await order(block(1, { ...tcp, not_after: today + 60_000 }))
  refuseHosts(node.firewall, 2)
  await order(block(1, { ...tcp, not_after: today + 900_000 }), block(2, tcp))
  assert.deepEqual(
    node.firewall.scoped.map(({ address, end }) => [address.text, end]),
    [['203.0.113.1', today + 900_000]],
  )
  assert.equal(newest().get(decision(1))?.status, 'applied')
})

test('of an order that was in force and is now refused it is said that it failed', async () => {
  await node.enforcer.replace()
  await order(block(1, tcp), block(2, tcp))
  refuseHosts(node.firewall, 2)
  node.firewall.disturb('somebody removed it')
  await node.enforcer.replace()
  assert.deepEqual(inForce(), [1])
  assert.equal(node.said().at(-1), `${decision(2)} failed 1:1`)
  const before = node.answers.length
  await node.enforcer.replace()
  assert.equal(node.answers.length, before, 'once')
})

test('over a restart it stays known which were refused, so that the others stay and more come in', async () => {
  await node.enforcer.replace()
  refuseHosts(node.firewall, 2)
  await order(block(1, tcp), block(2, tcp))
  await node.enforcer.stop()
  const { scoped } = node.firewall
  node = enforceFrom(join(root, `${count - 1}`))
  const { firewall } = node
  firewall.scoped = scoped
  await firewall.apply([{ op: 'put', ...left }])
  const states: number[][] = []
  refuseHosts(firewall, 2)
  const { setScoped } = firewall
  firewall.setScoped = (elements, now) =>
    setScoped(elements, now).finally(() => states.push(inForce()))
  await node.enforcer.replace()
  await order(block(3, tcp))
  assert.deepEqual(inForce(), [1, 3])
  assert.ok(states.every((one) => one.includes(1)))
  assert.equal(newest().get(decision(2))?.status, 'failed')
  assert.deepEqual(node.record.leftOut, [['all', decision(2)]])
  await order(lift(2))
  assert.deepEqual(node.record.leftOut, [])
})

test('a plain block that comes while the refused are looked for does not wait until they are found', async () => {
  await node.enforcer.replace()
  const asked = refuseHosts(node.firewall, 20, 40, 60)
  const { setScoped } = node.firewall
  let there = 0
  node.firewall.setScoped = async (elements, now) => {
    if (asked() === 4) node.enforcer.take(all.next([block(200)]))
    if (there === 0 && node.firewall.held.size > 0) there = asked()
    await setScoped(elements, now)
  }
  await order(...range(1, 100).map((n) => block(n, tcp)))
  assert.ok(there > 0 && there + 8 < asked(), `there after ${there} of ${asked()} tries`)
  assert.equal(inForce().length, 97)
  const failed = node.answers.filter(({ status }) => status === 'failed')
  assert.equal(failed.length, 3, 'each is said once, and nothing of those that are taken')
})
