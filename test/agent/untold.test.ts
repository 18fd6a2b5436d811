/** What a node refused and could not tell before it died is told by the next one. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { acceptLoad } from '../../agent/accept.ts'
import type { Answer } from '../../agent/differences.ts'
import { Memory } from '../../agent/memory.ts'
import { enforceFrom } from './enforcing.ts'
import { block, decision, lift, Sequence, today } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-untold-'))
after(() => rmSync(root, { recursive: true }))
let count = 0
const makeFolder = () => join(root, String(count++))
const forbidden = (n: number) => block(n, { target: `192.0.2.${n}` })

test('a refusal that was not told before a kill is told after the restart', async () => {
  const folder = makeFolder()
  const killed = enforceFrom(folder)
  killed.enforcer.take(new Sequence('all').next([forbidden(7), block(8)]))
  await killed.enforcer.settled()
  const [refusal] = killed.answers
  assert.equal(refusal?.status, 'refused')

  const next = enforceFrom(folder)
  assert.equal(next.record.standing('all')?.seq, 1, 'the stream does not bring it again')
  await next.enforcer.replace()
  assert.deepEqual(next.answers[0], refusal, 'with its reason and the envelope that it answers')
  assert.deepEqual(next.said(), [`${decision(7)} refused 1:1`, `${decision(8)} applied 1:1`])
})

test('a refusal is on the disk in the step that moves the position past it', async () => {
  const folder = makeFolder()
  const node = enforceFrom(folder)
  node.enforcer.take(new Sequence('all').next([forbidden(7)]))
  await node.enforcer.settled()
  const lines = readFileSync(join(folder, 'memory.jsonl'), 'utf8').trim().split('\n')
  const [line] = lines.filter((one) => one.includes('"standings":[['))
  assert.ok(line?.includes('"refused"'))
})

test('a refusal is told by every start until the service has it, and then by none', async () => {
  const folder = makeFolder()
  const node = enforceFrom(folder)
  node.enforcer.take(new Sequence('all').next([forbidden(7)]))
  await node.enforcer.settled()
  node.record.mark(false)
  const second = enforceFrom(folder)
  await second.enforcer.replace()
  assert.deepEqual(second.said(), [`${decision(7)} refused 1:1`])
  second.record.mark(true)
  const third = enforceFrom(folder)
  await third.enforcer.replace()
  assert.deepEqual(third.said(), [])
})

test('a refusal survives that the log is written anew', async () => {
  const folder = makeFolder()
  const node = enforceFrom(folder)
  node.enforcer.take(new Sequence('all').next([forbidden(7)]))
  await node.enforcer.settled()
  await node.enforcer.load(whole('node/web-01', []))
  const next = enforceFrom(folder)
  await next.enforcer.replace()
  assert.deepEqual(next.said(), [`${decision(7)} refused 1:1`])
})

test('of several answers about one decision only the last is told after the restart', async () => {
  const folder = makeFolder()
  const killed = enforceFrom(folder)
  const all = new Sequence('all')
  const envelopes = [
    // Refused, then lifted.
    [forbidden(1)],
    [lift(1, '192.0.2.1')],
    // Held, then refused.
    [block(2)],
    [forbidden(2)],
    // Refused, then held.
    [forbidden(3)],
    [block(3)],
    // Refused, held and lifted.
    [forbidden(4)],
    [block(4)],
    [lift(4)],
  ]
  for (const actions of envelopes.slice(0, 4)) {
    killed.enforcer.take(all.next(actions))
    await killed.enforcer.settled()
  }
  // And all in one round.
  for (const actions of envelopes.slice(4)) killed.enforcer.take(all.next(actions))
  await killed.enforcer.settled()
  const next = enforceFrom(folder)
  await next.enforcer.replace()
  assert.deepEqual(next.said().sort(), [
    `${decision(1)} ended 1:9`,
    `${decision(2)} refused 1:4`,
    `${decision(3)} applied 1:9`,
    `${decision(4)} ended 1:9`,
  ])
})

test('what is refused of a whole state is remembered with its position, not only when all of it was taken', async () => {
  const folder = makeFolder()
  const killed = enforceFrom(folder)
  killed.enforcer.take(new Sequence('all').next([block(5)]))
  await killed.enforcer.settled()
  const { on, load } = {
    on: killed.enforcer.accepting,
    load: whole('all', [refused(5), refused(6)]),
  }
  const taking = acceptLoad(on, load)
  killed.record.expect(load.answers)
  taking.next()
  killed.record.write()
  const next = enforceFrom(folder)
  assert.equal(next.record.standing('all')?.seq, 9)
  await next.enforcer.replace()
  assert.deepEqual(next.said(), [`${decision(5)} refused 1:9`, `${decision(6)} refused 1:9`])
})

test('no more refusals are kept than a bound, and the oldest go first', () => {
  const folder = makeFolder()
  const node = enforceFrom(folder)
  const answers = Array.from({ length: 100_500 }, (_, n) => refused(n))
  for (const answer of answers) node.enforcer.accepting.differences.owe(answer)
  node.record.forget('group/none')
  const kept = enforceFrom(folder)
  const { answers: owed } = kept.enforcer.accepting.differences.take(today)
  assert.equal(owed.length, 100_000)
  assert.equal(owed[0]?.decision, decision(500))
})

test('a memory of before there were refusals in it is read as it was', () => {
  const folder = makeFolder()
  const memory = new Memory(folder)
  const clock = JSON.stringify({ at: today, wall: today, uptime: 1, boot: 'one' })
  const row = JSON.stringify(['all', decision(1), '203.0.113.1', 'in', today + 1])
  const at = JSON.stringify(['all', { epoch: 1, seq: 4, hash: 'h', statement: 's' }])
  const step = `{"clock":${clock},"standings":[${at}],"drop":[["all","${decision(2)}"]],"put":[${row}]}\n`
  appendFileSync(join(folder, 'memory.jsonl'), step)
  const { claims, standings, dropped, refused: told, damaged } = memory.load()
  assert.deepEqual([claims.length, standings.get('all')?.seq, damaged], [1, 4, false])
  assert.deepEqual([dropped, told], [[['all', decision(2)]], []])
})

function whole(audience: string, answers: Answer[]) {
  const standing = { epoch: 1, seq: 9, hash: 'nine', statement: 's' }
  return { audience, standing, claims: [], answers }
}

function refused(n: number): Answer {
  const place = { audience: 'all', epoch: 1, seq: 9 }
  return { ...place, decision: decision(n), status: 'refused', code: 'protected_target' }
}
