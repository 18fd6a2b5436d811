/** A disk that refuses: it is left alone for a while, everything is enforced, and nothing is lost when it takes again. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Memory, type Step } from '../../agent/memory.ts'
import { writeState } from '../../agent/state.ts'
import { enforceFrom } from './enforcing.ts'
import { block, decision, Sequence, today } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-disk-'))
after(() => rmSync(root, { recursive: true }))
let count = 0

describe('a disk that refuses', () => {
  test('is tried again after 100 ms, then after twice as long each time, and at most after 5 s', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const node = makeNode()
    node.memory.full = true
    await node.take(1)
    assert.equal(node.memory.tries, 1)
    for (let n = 2; n < 100; n++) await node.take(n)
    assert.equal(node.memory.tries, 1, 'what comes meanwhile does not try it')
    for (const pause of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      const before: number = node.memory.tries
      node.pass(pause - 1)
      context.mock.timers.tick(pause - 1)
      node.record.mark(false)
      assert.equal(node.memory.tries, before, `not within ${pause} ms`)
      node.pass(1)
      context.mock.timers.tick(1)
      assert.equal(node.memory.tries, before + 1, `after ${pause} ms`)
    }
  })

  test('keeps nothing from being enforced, shows in the status, and gets everything when it takes again', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const node = makeNode()
    await node.take(1)
    node.memory.full = true
    for (const n of [2, 3]) await node.take(n)
    await node.take(4, '192.0.2.4')
    assert.equal(node.firewall.held.size, 3)
    assert.deepEqual(node.said().slice(1, 3), [
      `${decision(2)} applied 1:2`,
      `${decision(3)} applied 1:3`,
    ])
    const [problem] = node.problems()
    assert.equal(problem?.code, 'store_unavailable')
    assert.match(problem?.message ?? '', /no space left on device/)
    assert.equal(new Memory(node.folder).load().standings.get('all')?.seq, 1)

    node.memory.full = false
    context.mock.timers.tick(100)
    assert.deepEqual(node.problems(), [])
    const { claims, standings, refused } = new Memory(node.folder).load()
    assert.deepEqual(
      claims.map((one) => one.decision),
      [1, 2, 3].map(decision),
    )
    assert.equal(standings.get('all')?.seq, 4)
    assert.deepEqual(
      refused.map((one) => one.decision),
      [decision(4)],
    )
    await node.take(5)
    assert.equal(new Memory(node.folder).load().standings.get('all')?.seq, 5)
    assert.equal(node.memory.tries, 2, 'a log that is whole is appended to')
  })

  test('begins with a short pause again after it took', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const node = makeNode()
    node.memory.full = true
    await node.take(1)
    for (const pause of [100, 200, 400]) context.mock.timers.tick(pause)
    node.memory.full = false
    context.mock.timers.tick(800)
    assert.deepEqual(node.problems(), [])
    node.memory.full = true
    await node.take(2)
    const before: number = node.memory.tries
    context.mock.timers.tick(100)
    assert.equal(node.memory.tries, before + 1)
  })

  test('only when the log is to be written anew goes on to take its steps', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const node = makeNode()
    await node.take(1)
    node.memory.nearlyFull = true
    node.memory.big = true
    for (const n of [2, 3]) await node.take(n)
    assert.equal(new Memory(node.folder).load().standings.get('all')?.seq, 3)
    assert.equal(node.problems().length, 1)
  })

  test('is left alone after the agent was stopped', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const node = makeNode()
    node.memory.full = true
    await node.take(1)
    node.memory.full = false
    node.memory.close()
    context.mock.timers.tick(10_000)
    assert.equal(node.memory.tries, 1)
  })
})

test('a file that could not be written whole leaves the old one and nothing beside it', () => {
  const path = join(root, 'state.json')
  writeState(path, ['old'])
  const pieces = function* () {
    yield 'half of the new'
    throw new Error('no space left on device')
  }
  assert.throws(() => writeState(path, pieces()), /no space left/)
  assert.equal(readFileSync(path, 'utf8'), 'old')
  assert.equal(existsSync(`${path}.new`), false)
})

class RefusingMemory extends Memory {
  /** No step and no rewrite, or only no rewrite. */
  full = false
  nearlyFull = false
  big = false
  tries = 0

  override get grown(): boolean {
    return this.big
  }

  override append(step: Step): void {
    if (this.full) throw new Error('ENOSPC: no space left on device, write')
    super.append(step)
  }

  override rewrite(...whole: Parameters<Memory['rewrite']>): void {
    this.tries++
    if (this.full || this.nearlyFull) throw new Error('ENOSPC: no space left on device, write')
    super.rewrite(...whole)
  }
}

function makeNode() {
  const folder = join(root, String(count++))
  const memory = new RefusingMemory(folder)
  const node = enforceFrom(folder, memory)
  const all = new Sequence('all')
  const take = async (n: number, target = `203.0.113.${n}`) => {
    node.enforcer.take(all.next([block(n, { target, not_after: today + 600_000 })]))
    await node.enforcer.settled()
  }
  return { ...node, memory, folder, take }
}
