/** When a batch is taken out because the node may have cut itself off with it: with a clock that is held. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DeadManJudge, type Name } from '../../agent/dead-man-judge.ts'

const times = { windowMs: 15_000, afterMs: 30_000 }

describe('a node that loses its service', () => {
  test('right after a batch asks again and again, and takes the batch out after the set time', () => {
    const node = inContact()
    node.judge.applied([name(1)], node.now)
    assert.deepEqual(node.until('take_out'), { at: 32_000, names: [name(1)] })
    assert.ok(node.asked.length >= 5, 'several requests had no answer')
    assert.ok(node.asked.every((at, one) => at - (node.asked[one - 1] ?? -2_000) >= 2_000))
  })

  test('and finds it again without the batch refuses what was in it', () => {
    const node = inContact()
    node.judge.applied([name(1), name(2)], node.now)
    node.until('take_out')
    node.reachable = true
    const { at, names } = node.until('refuse')
    assert.ok(at <= 32_000 + 2_000)
    assert.deepEqual(names, [name(1), name(2)])
    assert.equal(node.judge.doubtful, false)
  })

  test('and does not find it without the batch either puts it back ten seconds later', () => {
    const node = inContact()
    node.judge.applied([name(1)], node.now)
    const out = node.until('take_out').at
    assert.deepEqual(node.until('put_back'), { at: out + 10_000, names: [name(1)] })
    assert.equal(node.judge.doubtful, false)
    assert.deepEqual(node.judge.next(node.now), { do: 'wait', ms: Number.POSITIVE_INFINITY })
  })

  test('and finds it again before the set time has done nothing', () => {
    const node = inContact()
    node.judge.applied([name(1)], node.now)
    node.pass(25_000)
    node.reachable = true
    node.pass(60_000)
    assert.deepEqual(node.done, [])
  })

  test('long after a batch does not suspect it', () => {
    const node = inContact()
    node.judge.applied([name(1)], node.now)
    node.reachable = true
    node.pass(20_000)
    node.reachable = false
    node.judge.missed(node.now)
    node.pass(120_000)
    assert.deepEqual(node.done, [])
  })

  test('within the window suspects a batch after which it was there still', () => {
    const node = inContact()
    node.reachable = true
    node.judge.applied([name(1)], node.now)
    node.pass(5_000)
    node.judge.answered(4_900)
    node.reachable = false
    node.judge.missed(5_000)
    assert.deepEqual(node.until('take_out'), { at: 35_000, names: [name(1)] })
  })

  test('suspects what came after the last answer rather than what came before it', () => {
    const node = inContact()
    node.judge.applied([name(1)], 0)
    node.judge.answered(100)
    node.judge.applied([name(2)], 1_000)
    assert.deepEqual(node.until('take_out').names, [name(2)])
  })

  test('while it starts, before it ever had it, suspects nothing', () => {
    const node = held()
    node.judge.applied([name(1)], node.now)
    node.judge.missed(node.now)
    node.pass(300_000)
    assert.deepEqual(node.done, [])
  })

  test('and is started anew meanwhile suspects the batch still', () => {
    const node = held()
    node.judge.resume([name(1)], node.now)
    assert.equal(node.judge.doubtful, true)
    assert.deepEqual(node.until('take_out'), { at: 30_000, names: [name(1)] })
  })
})

test('a stream of batches that are answered causes no request of its own', () => {
  const node = inContact()
  for (let at = 0; at < 60_000; at += 100) {
    node.judge.applied([name(at)], node.now)
    node.judge.answered(node.now + 10)
    node.pass(100)
  }
  assert.deepEqual(node.asked, [])
  assert.ok(node.judge.suspected.length <= 151, 'only the last 15 seconds are kept')
})

test('an answer to what was asked before a batch proves nothing about it', () => {
  const node = inContact()
  node.judge.applied([name(1)], 1_000)
  node.judge.answered(900)
  assert.deepEqual(node.until('take_out').names, [name(1)])
})

function name(n: number): Name {
  return ['all', `d-${String(n).padStart(16, '0')}`]
}

function inContact() {
  const node = held()
  node.judge.answered(-1)
  return node
}

/** Time passes in steps of what the judge says; requests are answered at once, or not, after a second. */
function held() {
  const judge = new DeadManJudge(times)
  const node = {
    judge,
    now: 0,
    reachable: false,
    asked: [] as number[],
    done: [] as { do: string; at: number; names: readonly Name[] }[],
    pending: undefined as number | undefined,
    pass(ms: number) {
      for (const end = node.now + ms; node.now < end; node.now += 100) node.step()
    },
    until(what: string) {
      for (let step = 0; step < 10_000; step++, node.now += 100) {
        node.step()
        const last = node.done.at(-1)
        if (last?.do === what) return { at: last.at, names: last.names }
      }
      throw new Error(`${what} did not come`)
    },
    step() {
      if (node.pending !== undefined && node.now >= node.pending + 1_000) {
        if (node.reachable) judge.answered(node.pending)
        else judge.missed(node.pending)
        judge.asked()
        node.pending = undefined
      }
      const deed = judge.next(node.now)
      if (deed.do === 'ask') {
        node.asked.push(node.now)
        node.pending = node.now
      } else if (deed.do !== 'wait') node.done.push({ ...deed, at: node.now })
    },
  }
  return node
}
