/** Sockets of cut flows are freed, and never at the expense of a block. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { socketCutter } from '../../agent/kernel/sockets.ts'
import { host, ownNamespace, probePort } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)

describe('with a kernel', { skip: kernel.skip }, () => {
  test('the server side of a cut connection ends at once, others stay', async () => {
    const attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    const server = createServer().listen(probePort, '::').unref()
    await once(server, 'listening')
    const accepted = new Map<string, Socket>()
    server.on('connection', (socket) => {
      socket.on('error', () => {})
      accepted.set(socket.remoteAddress ?? '', socket)
    })
    for (const from of ['203.0.113.7', '203.0.113.8', '2001:db8:a::7']) {
      const came = once(server, 'connection')
      await attacker.open(from, from.includes(':') ? '2001:db8:ffff::1' : '198.51.100.1')
      await came
    }
    const cutter = socketCutter()
    const four = accepted.get('::ffff:203.0.113.7')
    const six = accepted.get('2001:db8:a::7')
    assert.ok(four && six)
    const ended = Promise.all([closed(four), closed(six)])
    cutter.cut(readAddress('203.0.113.7'))
    cutter.cut(readAddress('2001:db8:a::/64'))
    await ended
    assert.equal(accepted.get('::ffff:203.0.113.8')?.destroyed, false)
    await cutter.close()
    for (const socket of accepted.values()) socket.destroy()
    server.close()
    await attacker.close()
  })
})

test('what comes while a call is under way goes together in the next', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const calls: (readonly string[])[] = []
  let finish = () => {}
  const cutter = socketCutter((addresses) => {
    calls.push(addresses)
    return new Promise((resolve) => {
      finish = resolve
    })
  })
  cutter.cut(readAddress('203.0.113.1'))
  cutter.cut(readAddress('203.0.113.2'))
  context.mock.timers.tick(1_000)
  for (let host = 1; host <= 150; host++) cutter.cut(readAddress(`192.0.2.${host}`))
  context.mock.timers.tick(1_000)
  assert.equal(calls.length, 1)
  finish()
  await new Promise(setImmediate)
  context.mock.timers.tick(1_000)
  assert.deepEqual(
    calls.map(({ length }) => length),
    [2, 100],
  )
  finish()
  await cutter.close()
})

/** The end comes as an error, which is what was asked for. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}
