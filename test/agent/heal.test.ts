/** Healing what others do to the table, without fighting them. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { Healer } from '../../agent/heal.ts'

let now = 0
beforeEach(() => {
  now = 1_000_000
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
})
afterEach(() => mock.timers.reset())

test('the first disturbance is healed at once, and said with its reason', async () => {
  const { healer, healed } = healing()
  healer.disturbed('flushed')
  await turn()
  assert.deepEqual(healed, ['flushed'])
})

test('somebody who takes it out again and again is waits at most five seconds for the blocks to be back', async () => {
  const { healer, healed } = healing()
  const times: number[] = []
  for (let second = 0; second < 300; second++) {
    const before = healed.length
    healer.disturbed('flushed')
    await pass(1_000)
    if (healed.length > before) times.push(second)
  }
  assert.ok(healed.length >= 50 && healed.length <= 70, `${healed.length} times in five minutes`)
  const gaps = times.slice(1).map((time, n) => time - (times[n] ?? 0))
  assert.ok(Math.max(...gaps) <= 6 && (gaps.at(-1) ?? 0) >= 4, `the pauses were ${gaps} s`)
})

test('a kernel that refuses is tried again by itself until it takes', async () => {
  const { healer, healed, tries, refuse } = healing()
  refuse(true)
  healer.disturbed('refused')
  await pass(1)
  for (let second = 0; second < 10; second++) await pass(1_000)
  assert.ok(tries() >= 3, `${tries()} tries`)
  assert.deepEqual(healed, [])
  refuse(false)
  for (let second = 0; second < 60; second++) await pass(1_000)
  assert.deepEqual(healed, ['refused'])
})

test('a line that comes and goes does not fill the table anew each time', async () => {
  const { healer, tries } = healing()
  for (let second = 0; second < 60; second++) {
    healer.afterOutage()
    await pass(1_000)
  }
  assert.equal(tries(), 1)
})

test('a table that was gone after an outage is reported, and one that was there is not', async () => {
  for (const [gone, told] of [
    [true, ['the table was gone, found after an outage of the service']],
    [false, []],
  ] as const) {
    const { healer, healed } = healing(gone)
    healer.afterOutage()
    await pass(1)
    assert.deepEqual(healed, told)
    await healer.stop()
  }
})

test('a table that the routine look found gone is reported', async () => {
  const { healer, healed } = healing(true)
  await pass(10 * 60_000)
  assert.deepEqual(healed, ['the table was gone, found by the routine look'])
  await healer.stop()
})

test('after it was stopped nothing is touched any more', async () => {
  const { healer, tries } = healing()
  await healer.stop()
  healer.disturbed('flushed')
  await pass(3_600_000)
  assert.equal(tries(), 0)
})

function healing(gone = false) {
  const healed: string[] = []
  let count = 0
  let refusing = false
  const healer = new Healer({
    heal: async () => {
      count++
      if (refusing) return 'refused'
      return gone ? 'gone' : 'there'
    },
    healed: (why) => healed.push(why),
    monotonic: () => now,
  })
  const refuse = (refuses: boolean) => {
    refusing = refuses
  }
  return { healer, healed, refuse, tries: () => count }
}

async function pass(ms: number): Promise<void> {
  now += ms
  mock.timers.tick(ms)
  await turn()
}

/** Everything that is ready has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
