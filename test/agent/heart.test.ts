/** News reach the service within a second, and a flood of them does not flood it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heart } from '../../agent/heart.ts'

test('what happens together is told together, and never more often than once a second', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const beats: number[] = []
  const heart = new Heart({ beat: () => beats.push(now), monotonic: () => now })
  for (; now < 5_000; now += 10) {
    if (now < 3_000) heart.soon()
    context.mock.timers.tick(10)
  }
  assert.equal(beats.length, 4, `${beats}`)
  assert.ok((beats[0] ?? 0) < 200)
  for (const [index, at] of beats.slice(1).entries()) assert.ok(at - (beats[index] ?? 0) >= 990)
})

test('after a stop nothing is said any more', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const heart = new Heart({ beat: () => assert.fail('it beat'), monotonic: () => 0 })
  heart.soon()
  heart.stop()
  heart.soon()
  context.mock.timers.tick(10_000)
})
