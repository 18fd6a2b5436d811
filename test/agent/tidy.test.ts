/** The garbage of a large load goes once the node is quiet, and never while something waits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { giveBack, Tidy } from '../../agent/tidy.ts'

test('after a large load garbage is collected as soon as nothing waits, and once more a while later', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let [idle, collected] = [false, 0]
  const collect = async () => void collected++
  const tidy = new Tidy({ idle: () => idle, collect })
  tidy.after(100_000)
  for (let n = 0; n < 5; n++) context.mock.timers.tick(2_000)
  assert.equal(collected, 0)
  idle = true
  context.mock.timers.tick(2_000)
  assert.equal(collected, 1)
  context.mock.timers.tick(18_000)
  assert.equal(collected, 1)
  idle = false
  for (let n = 0; n < 5; n++) context.mock.timers.tick(2_000)
  assert.equal(collected, 1)
  idle = true
  for (let n = 0; n < 20; n++) context.mock.timers.tick(2_000)
  assert.equal(collected, 2)
  tidy.after(5)
  context.mock.timers.tick(30_000)
  assert.equal(collected, 2, 'a small load leaves nothing worth a pause')
})

test('what a start left behind goes after a quiet moment, and stays with a node that has none in its first seconds', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  for (const busyMs of [0, 5_000, 10_000]) {
    let [idle, collected] = [busyMs === 0, 0]
    const tidy = new Tidy({ idle: () => idle, collect: async () => void collected++ })
    tidy.begun(200)
    for (let ms = 0; ms < busyMs; ms += 1_000) context.mock.timers.tick(1_000)
    assert.equal(collected, 0)
    idle = true
    for (let n = 0; n < 5; n++) context.mock.timers.tick(2_000)
    assert.equal(collected, busyMs === 10_000 ? 0 : 1)
  }
})

test('collecting gives back what nobody holds', async () => {
  const ballast = Array.from({ length: 300_000 }, (_, n) => ({ n, text: `block ${n}` }))
  const full = process.memoryUsage().heapUsed
  assert.equal(ballast.length, 300_000)
  ballast.length = 0
  await giveBack()
  assert.ok(process.memoryUsage().heapUsed < full - 10_000_000)
})
