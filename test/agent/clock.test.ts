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

test('the first measurement tells the whole way from the start, with what was only suggested', () => {
  const clock = new Clock(() => 1_000, today)
  clock.suggest(today - 3_600_000)
  assert.equal(clock.now(), today - 3_600_000)
  assert.equal(clock.measure(today - 3_600_500, 0), -3_600_500)
  assert.equal(clock.now(), today - 3_600_500)
})
