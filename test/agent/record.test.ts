/** What the memory says of a node at each moment: never a position without all that it promises. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { type AcceptOn, acceptLoad } from '../../agent/accept.ts'
import { Clock } from '../../agent/clock.ts'
import { Differences } from '../../agent/differences.ts'
import { LinkNotes } from '../../agent/link-notes.ts'
import { Memory, type Step } from '../../agent/memory.ts'
import { Recorder } from '../../agent/record.ts'
import { type Claim, Wished } from '../../agent/wished.ts'
import { decision, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-record-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0

test('a memory that has grown is not rewritten in the middle of a whole state, but after it', () => {
  const node = makeNode()
  const claims = [1, 2, 3].map(claim)
  const standing = { epoch: 1, seq: 9, hash: 'nine', statement: 's' }
  const loading = acceptLoad(node.on, { audience: 'all', standing, claims, answers: [] })
  loading.next()
  node.memory.big = true
  node.record.write()
  assert.equal(node.held().standings.get('all')?.seq, 9)
  assert.deepEqual(node.held().claims, claims)
  assert.equal(node.memory.rewrites, 1, 'only that of the whole state itself')
  for (const _ of loading);
  node.record.write()
  assert.equal(node.memory.rewrites, 2)
  assert.deepEqual(node.held().claims, claims)
})

test('a step that the disk refused is made good by a rewrite before any later one is written', () => {
  const node = makeNode()
  node.take(1)
  node.memory.full = true
  node.take(2)
  node.take(3)
  assert.equal(node.held().standings.get('all')?.seq, 1)
  node.memory.full = false
  node.pass(5_000)
  assert.equal(node.trouble(), true)
  node.record.mark(false)
  assert.deepEqual(node.held().claims, [1, 2, 3].map(claim))
  assert.equal(node.held().standings.get('all')?.seq, 3)
  assert.equal(node.trouble(), false)
  node.take(4)
  assert.deepEqual(node.held().claims, [1, 2, 3, 4].map(claim))
  assert.equal(node.memory.rewrites, 1, 'a log that is whole is appended to')
})

test('a whole state that the disk refused is written when it was taken, and not with a part of it', () => {
  const node = makeNode()
  node.take(9)
  const claims = [1, 2, 3].map(claim)
  const standing = { epoch: 2, seq: 9, hash: 'nine', statement: 's' }
  node.memory.full = true
  const loading = acceptLoad(node.on, { audience: 'all', standing, claims, answers: [] })
  loading.next()
  node.memory.full = false
  node.pass(5_000)
  node.record.write()
  node.record.mark(false)
  assert.equal(node.held().standings.get('all')?.epoch, 1)
  for (const _ of loading);
  node.record.write()
  assert.equal(node.held().standings.get('all')?.epoch, 2)
  assert.deepEqual(node.held().claims, claims)
})

class TestMemory extends Memory {
  big = false
  rewrites = 0
  full = false

  override append(step: Step): void {
    if (this.full) throw new Error('no space left on device')
    super.append(step)
  }

  override get grown(): boolean {
    return this.big
  }

  override rewrite(...whole: Parameters<Memory['rewrite']>): void {
    if (this.full) throw new Error('no space left on device')
    super.rewrite(...whole)
    this.rewrites++
  }
}

function claim(n: number): Claim {
  const target = `203.0.113.${n}`
  return { audience: 'all', decision: decision(n), target, direction: 'in', end: today + 600_000 }
}

function makeNode() {
  const path = join(folder, String(count++))
  const clock = new Clock(() => 0, today)
  const wished = new Wished()
  const memory = new TestMemory(path)
  let passed = 0
  const pass = (ms: number) => {
    passed += ms
  }
  const local = () => ({ wall: today, uptime: passed, boot: 'one' })
  let troubled = false
  const trouble = () => {
    troubled = true
  }
  const well = () => {
    troubled = false
  }
  const record = new Recorder(
    { memory, wished, clock, local, trouble, well },
    { standings: new Map(), dropped: [], refused: [] },
  )
  const on: AcceptOn = {
    wished,
    record,
    differences: new Differences(wished, (answer) => record.hear(answer)),
    now: () => today,
    here: () => [],
    ceilings: { max_blocks: 100, ipv4_prefix: 16, ipv6_prefix: 32 },
    expresses: { scopes: true, reject: true },
    notes: new LinkNotes(),
  }
  const take = (n: number) => {
    wished.add(claim(n), readAddress(claim(n).target), on.differences.note)
    const taken = wished.get('all', decision(n))
    assert.ok(taken)
    record.put(taken)
    record.stand('all', { epoch: 1, seq: n, hash: `h${n}`, statement: 's' })
    record.write()
  }
  const held = () => new Memory(path).load()
  return { memory, record, on, take, pass, trouble: () => troubled, held }
}
