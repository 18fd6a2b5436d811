/** What a node remembers after a crash at any moment. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { Memory, type Standing } from '../../agent/memory.ts'
import type { Claim } from '../../agent/wished.ts'
import { decision, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-memory-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'memory.jsonl')
const clock = { at: today, wall: today, uptime: 1, boot: 'one' }

test('a file cut at any byte gives the state after the last whole step, and goes on from there', () => {
  const steps = [
    { clock, put: [claim(1), claim(2)], standings: [['all', standing(1)] as const] },
    {
      clock,
      drop: [['all', decision(1)] as const],
      put: [claim(3)],
      standings: [['all', standing(2)] as const],
    },
    { clock, put: [claim(2, 99)], standings: [['all', standing(3)] as const] },
  ]
  const after = [[], [1, 2], [2, 3], [2, 3]]
  rmSync(path, { force: true })
  const memory = new Memory(folder)
  for (const step of steps) memory.append(step)
  memory.close()
  const whole = readFileSync(path)
  fc.assert(
    fc.property(fc.nat(whole.length), (cut) => {
      writeFileSync(path, whole.subarray(0, cut))
      const lines = whole.subarray(0, cut).toString().split('\n').length - 1
      const torn = new Memory(folder)
      const held = torn.load()
      assert.deepEqual(held.claims.map((one) => one.decision).sort(), after[lines]?.map(decision))
      assert.equal(held.standings.get('all')?.seq, lines === 0 ? undefined : lines)
      assert.equal(held.damaged, false)
      torn.append({ clock, put: [claim(7)] })
      torn.close()
      assert.ok(new Memory(folder).load().claims.some((one) => one.decision === decision(7)))
    }),
  )
})

test('a file of a version that knew plain blocks only is read, and one with others keeps what they are', () => {
  const row = JSON.stringify(['all', decision(1), '203.0.113.1', 'both', today + 1])
  writeFileSync(path, `{"clock":${JSON.stringify(clock)},"put":[${row}]}\n`)
  const memory = new Memory(folder)
  const scoped = { action: 'limit', rate: { packets: 1, per: 'hour', burst: 2 } } as const
  memory.append({ clock, put: [{ ...claim(2), direction: 'forward', scoped }] })
  memory.close()
  const held = new Memory(folder).load()
  assert.equal(held.damaged, false)
  assert.deepEqual(
    held.claims.map((one) => [one.decision, one.direction, one.scoped]),
    [
      [decision(1), 'both', undefined],
      [decision(2), 'forward', scoped],
    ],
  )
})

test('a damaged line keeps the other claims, and every position is asked for anew', () => {
  rmSync(path, { force: true })
  const memory = new Memory(folder)
  memory.append({ clock, put: [claim(1)], standings: [['all', standing(1)]] })
  appendFileSync(path, '{"clock":\u0000\u0000\n')
  memory.append({ clock, put: [claim(2)], standings: [['all', standing(3)]] })
  const held = new Memory(folder).load()
  assert.equal(held.claims.length, 2)
  assert.equal(held.damaged, true)
  assert.equal(held.standings.size, 0)
})

test('what was let go of is remembered until the service was told', () => {
  rmSync(path, { force: true })
  const memory = new Memory(folder)
  const drop = (n: number) => ({ clock, drop: [['all', decision(n)] as const] })
  memory.append({ clock, put: [claim(1), claim(2), claim(3), claim(4)] })
  memory.append(drop(1))
  memory.append({ clock, told: true })
  memory.append(drop(2))
  memory.append(drop(3))
  memory.append({ clock, put: [claim(3)] })
  assert.deepEqual(new Memory(folder).load().dropped, [['all', decision(2)]])
  memory.append({ ...drop(4), told: true })
  memory.close()
  assert.deepEqual(new Memory(folder).load().dropped, [['all', decision(4)]])
})

test('rewriting keeps everything and nothing else, with the proof for each position', () => {
  rmSync(path, { force: true })
  const memory = new Memory(folder)
  for (let n = 0; n < 50; n++) memory.append({ clock, put: [claim(1, n)] })
  memory.rewrite({ ...clock, at: today + 5 }, [['all', standing(4)]], [claim(1, 3), claim(2)])
  memory.append({ clock, put: [claim(3)] })
  const held = new Memory(folder).load()
  assert.deepEqual(held.claims, [claim(1, 3), claim(2), claim(3)])
  assert.deepEqual(held.standings.get('all'), standing(4))
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a log that was appended to a lot asks to be rewritten', () => {
  rmSync(path, { force: true })
  const memory = new Memory(folder)
  const claims = Array.from({ length: 1_000 }, (_, n) => claim(n))
  for (let n = 0; n < 20 && !memory.grown; n++) memory.append({ clock, put: claims })
  assert.equal(memory.grown, true)
  memory.rewrite(clock, [], claims)
  assert.equal(memory.grown, false)
  memory.close()
})

test('the first start remembers nothing', () => {
  rmSync(path, { force: true })
  const { claims, standings, clock: mark, damaged } = new Memory(folder).load()
  assert.deepEqual([claims, standings.size, mark, damaged], [[], 0, undefined, false])
})

function claim(n: number, end = 1): Claim {
  return {
    audience: 'all',
    decision: decision(n),
    target: '203.0.113.7',
    direction: 'in',
    end: today + end,
  }
}

function standing(seq: number): Standing {
  return { epoch: 1, seq, hash: `h${seq}`, statement: `s${seq}` }
}

test('a rewrite forgets nothing that the service was not told, and a block that came again is none of it', () => {
  rmSync(path, { force: true })
  const memory = new Memory(folder)
  const untold = [1, 2].map((n) => ['all', decision(n)] as const)
  memory.rewrite(clock, [['all', standing(4)]], [claim(2)], untold)
  const held = new Memory(folder).load()
  assert.deepEqual(held.dropped, [['all', decision(1)]])
  assert.deepEqual(held.claims, [claim(2)])
})
