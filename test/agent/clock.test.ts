/** Whose clock counts, and how much time has passed while nobody looked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Clock, timeAtStart } from '../../agent/clock.ts'
import { today } from './signer.ts'

const mark = { at: today, wall: today - 5_000, uptime: 100_000, boot: 'one' }

test('within one boot the time that passed is that of the machine, whatever became of its wall clock', () => {
  assert.equal(timeAtStart(mark, { wall: 0, uptime: 160_000, boot: 'one' }), today + 60_000)
})

test('after a reboot the time that passed on the wall clock is taken off', () => {
  assert.equal(
    timeAtStart(mark, { wall: mark.wall + 60_000, uptime: 9_000, boot: 'two' }),
    today + 60_000,
  )
})

test('a machine that boots in the past goes on with the remaining time that was stored', () => {
  assert.equal(timeAtStart(mark, { wall: 0, uptime: 9_000, boot: 'two' }), today)
})

test('without any memory the wall clock has to do', () => {
  assert.equal(timeAtStart(undefined, { wall: today, uptime: 1, boot: 'one' }), today)
})

test('the clock follows the service, and noise of the network does not move it', () => {
  let monotonic = 1_000
  const clock = new Clock(() => monotonic, today)
  assert.equal(clock.measured, false)
  monotonic += 500
  assert.equal(clock.now(), today + 500)
  assert.equal(clock.measure(today + 10_500, 0), 10_000)
  assert.equal(clock.now(), today + 10_500)
  assert.equal(clock.measured, true)
  assert.equal(clock.measure(today + 10_490, 40), 0)
  assert.equal(clock.now(), today + 10_500)
})

test('a date that nobody signed changes the tokens of the node and never the clock that blocks end by', () => {
  const clock = new Clock(() => 1_000, today)
  clock.suggest(today - 3_600_000)
  assert.deepEqual([clock.now(), clock.tokenTime()], [today, today - 3_600_000])
  assert.equal(clock.measure(today - 3_600_500, 0), -3_600_500)
  assert.deepEqual([clock.now(), clock.tokenTime()], [today - 3_600_500, today - 3_600_500])
  clock.suggest(today + 30 * 86_400_000)
  assert.equal(
    clock.tokenTime(),
    today - 3_600_500,
    'further than a day, once the clock was measured',
  )
})

test('the clock is never set behind the newest signature of the service, also not one of before the start', () => {
  const clock = new Clock(() => 1_000, today, { signed: today - 60_000 })
  assert.equal(clock.measure(today - 60_001, 0), 0)
  assert.equal(clock.measured, false)
  assert.equal(clock.measure(today - 59_000, 0), -59_000)
  clock.attest(today - 50_000)
  clock.suggest(today - 50_001)
  assert.equal(clock.tokenTime(), today - 59_000)
  assert.equal(clock.measure(today - 58_000, 0), 0)
  assert.equal(clock.now(), today - 59_000)
})

test('before anything was signed the word of the service moves the clock ahead by a day at most', () => {
  const clock = new Clock(() => 1_000, today)
  assert.equal(clock.measure(today + 86_400_001, 0), 0)
  assert.deepEqual([clock.now(), clock.measured], [today, false])
  assert.equal(clock.measure(today + 86_400_000, 0), 86_400_000)
  assert.equal(
    clock.measure(today + 2 * 86_400_000, 0),
    0,
    'a second step is counted from the start',
  )
})

test('after something was signed the clock follows it by a minute, and further only with a signature', () => {
  let monotonic = 0
  const clock = new Clock(() => monotonic, today)
  clock.measure(today, 0)
  assert.equal(clock.attest(today), false)
  assert.equal(clock.measure(today + 60_000, 0), 60_000)
  assert.equal(clock.measure(today + 600_000, 0), 0)
  assert.equal(clock.attest(today + 3_600_000), false, 'what was signed for another time')
  monotonic += 15_000
  assert.equal(clock.attest(today + 600_000), true)
  assert.equal(clock.measure(today + 600_000, 0), 525_000)
  assert.equal(clock.now(), today + 600_000)
})

test('a signature of the future alone moves nothing', () => {
  const clock = new Clock(() => 0, today)
  assert.equal(clock.attest(today + 86_400_000), false)
  assert.equal(clock.measure(today, 0), 0)
  assert.equal(clock.now(), today)
})

test('while the machine sleeps time goes on, and is counted once', () => {
  let [monotonic, uptime] = [5_000, 9_000]
  const clock = new Clock(() => monotonic, today, { uptime: () => uptime })
  const pass = (ms: number, asleep = 0) => {
    monotonic += ms
    uptime += ms + asleep
  }
  pass(30_000, 10)
  assert.equal(clock.wake(), 0)
  pass(1_000, 3_600_000)
  assert.equal(clock.wake(), 3_600_010)
  assert.equal(clock.now(), today + 31_000 + 3_600_010)
  assert.equal(clock.wake(), 0)
  pass(1_000, 7_200_000)
  const moved = clock.measure(today + 32_000 + 10_800_010, 0)
  assert.equal(moved, 7_200_000, 'a measurement finds the same sleep')
  assert.equal(clock.now(), today + 32_000 + 10_800_010)
})

test('short sleeps add up, and a time since boot that falls back is none', () => {
  let uptime = 0
  const clock = new Clock(() => 0, today, { uptime: () => uptime })
  uptime += 600
  assert.equal(clock.wake(), 0)
  uptime += 600
  assert.equal(clock.wake(), 1_200)
  uptime -= 50_000
  assert.equal(clock.wake(), 0)
  assert.equal(clock.now(), today + 1_200)
})
