/** From a signed envelope to the kernel and back to an answer, with the clock and the kernel in the test's hand. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import type { Problem } from '#contract/problem.ts'
import { Clock } from '../../agent/clock.ts'
import type { Answer } from '../../agent/differences.ts'
import { Enforcer } from '../../agent/enforce.ts'
import { Memory } from '../../agent/memory.ts'
import { Recorder } from '../../agent/record.ts'
import { Wished } from '../../agent/wished.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { block, decision, lift, makeKey, Sequence, serviceKey, today, trusting } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-enforce-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0

describe('a signed block', () => {
  test('is in the kernel for the rest of its time, and then it is reported as applied', async () => {
    const node = makeNode()
    node.enforcer.take(node.all.next([block(7)]))
    await node.enforcer.settled()
    assert.equal(await node.firewall.remaining('in_hosts4', readAddress('203.0.113.7')), 600_000)
    assert.deepEqual(node.said(), [`${decision(7)} applied 1:1`])
  })

  test('that comes at any moment of the round before it is enforced without waiting for a third', async () => {
    for (let moment = 0; moment < 30; moment++) {
      const node = makeNode()
      node.enforcer.take(node.all.next([block(7)]))
      for (let step = 0; step < moment; step++) await Promise.resolve()
      node.enforcer.take(node.all.next([block(8)]))
      await new Promise(setImmediate)
      assert.equal(node.said().length, 2, `after ${moment} steps`)
    }
  })

  test('is never reported as applied before the kernel has confirmed', async () => {
    const node = makeNode()
    const gate = Promise.withResolvers<void>()
    node.firewall.gate = gate.promise
    node.enforcer.take(node.all.next([block(7)]))
    await new Promise(setImmediate)
    assert.deepEqual(node.said(), [])
    gate.resolve()
    await node.enforcer.settled()
    assert.deepEqual(node.said(), [`${decision(7)} applied 1:1`])
  })

  test('is on the disk before the kernel hears of it', async () => {
    const node = makeNode()
    const gate = Promise.withResolvers<void>()
    node.firewall.gate = gate.promise
    node.enforcer.take(node.all.next([block(7)]))
    await new Promise(setImmediate)
    const { claims, standings } = new Memory(node.folder).load()
    assert.equal(claims[0]?.decision, decision(7))
    assert.equal(standings.get('all')?.seq, 1)
    assert.equal(node.firewall.keys().length, 0)
    gate.resolve()
    await node.enforcer.settled()
  })

  test('that ended is reported as ended, and the kernel holds it no longer', async () => {
    const node = makeNode()
    node.enforcer.take(node.all.next([block(7), block(8, { not_after: today + 900_000 })]))
    await node.enforcer.settled()
    node.pass(600_000)
    node.enforcer.wake()
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.8'])
    assert.equal(node.said().at(-1), `${decision(7)} ended 1:1`)
  })

  test('that comes while others end does not wait until these are counted', async () => {
    const never = Promise.withResolvers<void>()
    const node = makeNode(() => never.promise)
    node.enforcer.take(node.all.next([block(7)]))
    await node.enforcer.settled()
    node.pass(600_000)
    node.enforcer.take(node.all.next([block(8, { not_after: today + 900_000 })]))
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.8'])
    assert.deepEqual(node.said().slice(1).sort(), [
      `${decision(7)} ended 1:1`,
      `${decision(8)} applied 1:2`,
    ])
  })

  test('whose time was over before it came is reported as ended and never enforced', async () => {
    const node = makeNode()
    node.enforcer.take(node.all.next([block(7, { not_after: today - 1 })]))
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), [])
    assert.deepEqual(node.said(), [`${decision(7)} ended 1:1`])
  })

  test('of a network is never cut down to one address', async () => {
    const node = makeNode()
    node.enforcer.take(node.all.next([block(7, { target: '203.0.113.0/24', direction: 'both' })]))
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), [
      'in_nets4_24 203.0.113.0/24',
      'out_nets4_24 203.0.113.0/24',
    ])
  })

  test('of a protected address is refused, and what stands beside it in the envelope is enforced', async () => {
    const node = makeNode()
    node.enforcer.take(
      node.all.next([
        block(1, { target: '192.0.2.1' }),
        block(7),
        { action: 'limit', decision: decision(9) },
      ]),
    )
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.7'])
    assert.deepEqual(node.said().sort(), [
      `${decision(1)} refused 1:1 protected_target`,
      `${decision(7)} applied 1:1`,
      `${decision(9)} refused 1:1 unsupported`,
    ])
    assert.equal(node.record.standing('all')?.seq, 1)
  })

  test('that replaces an older one of its decision and is refused leaves nothing of the older', async () => {
    const node = makeNode()
    node.enforcer.take(node.all.next([block(7)]))
    node.enforcer.take(node.all.next([block(7, { target: '192.0.2.1' })]))
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), [])
    assert.equal(node.said().at(-1), `${decision(7)} refused 1:2 protected_target`)
  })
})

describe('a lift', () => {
  test('lets go at once and says so, and another decision on the address holds on', async () => {
    const node = makeNode()
    node.enforcer.take(
      node.all.next([
        block(1, { target: '203.0.113.7' }),
        block(2, { target: '203.0.113.7', not_after: today + 60_000 }),
      ]),
    )
    await node.enforcer.settled()
    node.enforcer.take(node.all.next([lift(1, '203.0.113.7')]))
    await node.enforcer.settled()
    assert.equal(await node.firewall.remaining('in_hosts4', readAddress('203.0.113.7')), 60_000)
    node.enforcer.take(node.all.next([lift(2, '203.0.113.7')]))
    await node.enforcer.settled()
    assert.deepEqual(node.firewall.keys(), [])
    assert.deepEqual(node.said().slice(2), [`${decision(1)} ended 1:2`, `${decision(2)} ended 1:3`])
  })

  test('of what this node never held is answered, and survives a restart', async () => {
    const node = makeNode()
    node.enforcer.take(node.all.next([lift(1)]))
    await node.enforcer.settled()
    assert.deepEqual(node.said(), [`${decision(1)} ended 1:1`])
    assert.deepEqual(new Memory(node.folder).load().claims, [])
  })
})

describe('the sequence', () => {
  test('goes on only with the next envelope: a gap asks for the whole state and changes nothing', async () => {
    const node = makeNode()
    node.all.next([block(1)])
    node.enforcer.take(node.all.next([block(2)]))
    await node.enforcer.settled()
    assert.deepEqual(node.lost, ['all envelope_gap'])
    assert.deepEqual(node.firewall.keys(), [])
  })

  test('drops a repeat without a word', async () => {
    const node = makeNode()
    const jws = node.all.next([block(1)])
    node.enforcer.take(jws)
    node.enforcer.take(jws)
    await node.enforcer.settled()
    assert.equal(node.said().length, 1)
    assert.deepEqual([node.lost, node.distrusted], [[], []])
  })

  test('is not for strangers: what another key signed is distrusted and changes nothing', async () => {
    const node = makeNode()
    node.enforcer.take(
      new Sequence('all', { epoch: 1, seq: 0, hash: '' }, makeKey()).next([block(1)]),
    )
    await node.enforcer.settled()
    assert.deepEqual(node.distrusted, ['envelope_key_unknown'])
    assert.deepEqual(node.firewall.keys(), [])
  })
})

describe('a whole state', () => {
  test('replaces what its audience claimed and nothing else, and the stream goes on after it', async () => {
    const node = makeNode()
    const web = new Sequence('node/web-01')
    node.enforcer.take(node.all.next([block(1), block(2)]))
    node.enforcer.take(web.next([block(3)]))
    await node.enforcer.settled()
    const at = { epoch: 2, seq: 9, hash: 'nine' }
    await node.enforcer.load({
      audience: 'all',
      standing: { ...at, statement: 's' },
      claims: [claimOf(2), claimOf(4)],
      answers: [],
    })
    assert.deepEqual(
      node.firewall.keys(),
      [2, 3, 4].map((n) => `in_hosts4 203.0.113.${n}`),
    )
    assert.deepEqual(node.said().slice(3), [
      `${decision(1)} ended 2:9`,
      `${decision(2)} applied 2:9`,
      `${decision(4)} applied 2:9`,
    ])
    node.enforcer.take(new Sequence('all', at).next([lift(4)]))
    await node.enforcer.settled()
    assert.deepEqual(
      node.firewall.keys(),
      [2, 3].map((n) => `in_hosts4 203.0.113.${n}`),
    )
    const { claims, standings, dropped } = new Memory(node.folder).load()
    assert.deepEqual(
      dropped.map(([, id]) => id),
      [decision(1), decision(4)],
      'answered once more after a crash',
    )
    assert.deepEqual(claims.map((one) => one.decision).sort(), [decision(2), decision(3)])
    assert.equal(standings.get('all')?.seq, 10)
  })

  test('of many blocks does not keep a live action waiting', async () => {
    const node = makeNode()
    const claims = Array.from({ length: 12_000 }, (_, n) => ({
      ...claimOf(n),
      target: `2001:db8::${(n + 1).toString(16)}`,
    }))
    const loading = node.enforcer.load({
      audience: 'all',
      standing: { epoch: 1, seq: 1, hash: 'x', statement: 's' },
      claims,
      answers: [],
    })
    await new Promise(setImmediate)
    node.enforcer.take(new Sequence('node/web-01').next([block(20_000)]))
    await loading
    const at = node.said().indexOf(`${decision(20_000)} applied 1:1`)
    assert.ok(at >= 0 && at < 3_000, `answered as number ${at}`)
    assert.equal(node.firewall.held.size, 12_001)
  })
})

describe('a kernel that refuses', () => {
  test('makes the block failed, and applied as soon as the kernel takes everything again', async () => {
    const node = makeNode()
    node.firewall.refusing = true
    node.enforcer.take(node.all.next([block(7)]))
    await node.enforcer.settled()
    assert.deepEqual(node.said(), [`${decision(7)} failed 1:1 kernel_refused`])
    assert.deepEqual(node.health, ['kernel_refused'])
    node.firewall.refusing = false
    await node.enforcer.replace()
    assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.7'])
    assert.equal(node.said().at(-1), `${decision(7)} applied 1:1`)
    assert.deepEqual(node.health, ['kernel_refused', 'well'])
  })

  test('does not answer applied later for what was lifted meanwhile', async () => {
    const node = makeNode()
    node.firewall.refusing = true
    node.enforcer.take(node.all.next([block(7)]))
    await node.enforcer.settled()
    node.enforcer.take(node.all.next([lift(7)]))
    await node.enforcer.settled()
    node.firewall.refusing = false
    await node.enforcer.replace()
    assert.deepEqual(node.said(), [
      `${decision(7)} failed 1:1 kernel_refused`,
      `${decision(7)} ended 1:2`,
    ])
  })

  test('gets the never-set before anything else', async () => {
    const node = makeNode()
    await node.enforcer.replace()
    assert.deepEqual(node.firewall.never, ['192.0.2.1'])
  })
})

function claimOf(n: number) {
  const { decision: id, target, direction, not_after: end } = block(n)
  return { audience: 'all', decision: id, target, direction, end }
}

function makeNode(ending = async () => {}) {
  const path = join(folder, String(count++))
  let passed = 0
  const clock = new Clock(() => passed, today)
  const wished = new Wished()
  const firewall = new MemoryFirewall()
  const answers: Answer[] = []
  const [lost, distrusted, health]: [string[], string[], string[]] = [[], [], []]
  const start = { epoch: 1, seq: 0, hash: '', statement: '' }
  const standings = new Map([
    ['all', start],
    ['node/web-01', start],
  ])
  const local = () => ({ wall: today, uptime: passed, boot: 'one' })
  const trouble = (error: unknown) => assert.fail(String(error))
  const record = new Recorder(
    { memory: new Memory(path), wished, clock, local, trouble, well: () => {} },
    { standings, dropped: [], refused: [] },
  )
  const enforcer = new Enforcer({
    firewall,
    wished,
    record,
    now: () => clock.now(),
    here: () => [{ address: readAddress('192.0.2.1'), why: 'default gateway' }],
    ceilings: { max_blocks: 100_000, ipv4_prefix: 16, ipv6_prefix: 32 },
    trust: () => trusting(serviceKey),
    audiences: () => new Set(standings.keys()),
    learnKeys: async () => {},
    waiting: () => false,
    lost: (audience, problem) => lost.push(`${audience} ${problem.code}`),
    distrust: (problem) => distrusted.push(problem.code),
    taken: () => {},
    report: (more) => answers.push(...more),
    health: (problem: Problem | undefined) => health.push(problem?.code ?? 'well'),
    emptied: () => {},
    ending,
  })
  return {
    enforcer,
    firewall,
    record,
    folder: path,
    all: new Sequence('all'),
    lost,
    distrusted,
    health,
    pass: (ms: number) => {
      passed += ms
    },
    said: () =>
      answers.map((one) =>
        [one.decision, one.status, `${one.epoch}:${one.seq}`, one.code].filter(Boolean).join(' '),
      ),
  }
}
