/** What a node does when its stream ends, by its own will or another's. */
import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { createServer, type Server, Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Service } from '../../agent/connect.ts'
import { Follower } from '../../agent/follow.ts'
import { fetchCertificate } from '../../agent/pin.ts'

describe('a stream', () => {
  test('that fails after a wish to reconnect while there was none is told as a failure', {
    timeout: 60_000,
  }, async () => {
    const told: (Problem | undefined)[] = []
    const follower: Follower = make({
      catchUp: async () => follower.reconnect(),
      stream: async () => Promise.reject(new Error('the line is cut')),
      state: (problem) => {
        told.push(problem)
        if (told.length === 2) follower.stop()
      },
    })
    await follower.run()
    assert.deepEqual(
      told.map((problem) => problem?.message),
      ['the stream broke off', 'the stream broke off'],
    )
  })

  test('that is ended to begin anew is no failure', { timeout: 60_000 }, async () => {
    let streams = 0
    const follower: Follower = make({
      stream: (signal) => {
        if (++streams === 3) follower.stop()
        else setImmediate(() => follower.reconnect())
        return aborted(signal)
      },
      state: (problem) => assert.fail(problem?.message),
    })
    await follower.run()
    assert.equal(streams, 3)
  })

  test('that is ended because of what came is told with that reason', {
    timeout: 60_000,
  }, async () => {
    const wrong = new Problem('envelope_signature', 'the signature is not that of these bytes')
    const told: (Problem | undefined)[] = []
    const follower: Follower = make({
      stream: (signal) => {
        setImmediate(() => follower.reconnect(wrong))
        return aborted(signal)
      },
      state: (problem) => {
        told.push(problem)
        follower.stop()
      },
    })
    await follower.run()
    assert.deepEqual(told, [wrong])
  })
})

test('a stream is read no further than 16 MB ahead of what was done with it', {
  timeout: 60_000,
}, async () => {
  const gate = Promise.withResolvers<void>()
  const stuck = Promise.withResolvers<void>()
  const piece = Buffer.from(': nothing\n'.repeat(100_000))
  let read = 0
  const pieces = async function* () {
    for (; read < 40; read++) yield piece
  }
  const follower: Follower = make({
    stream: async () =>
      Object.assign(new IncomingMessage(new Socket()), { [Symbol.asyncIterator]: pieces }),
    state: () => follower.stop(),
    settled: () => {
      stuck.resolve()
      return gate.promise
    },
  })
  const running = follower.run()
  await stuck.promise
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  assert.equal(read, 16, 'the seventeenth piece is held in the hand')
  gate.resolve()
  await running
  assert.equal(read, 40)
})

test('a TLS handshake that only trickles is given up when its time is over', {
  timeout: 60_000,
}, async (context) => {
  const port = await listen(context, (socket) => {
    // The head of a handshake record of 16 KiB less one, and then a byte now and then.
    socket.write(Buffer.from([0x16, 3, 3, 0x3f, 0xff, 2]))
    const drip = setInterval(() => socket.write(Buffer.from([0])), 20)
    socket.on('close', () => clearInterval(drip))
  })
  await assert.rejects(fetchCertificate(new URL(`https://127.0.0.1:${port}`), 'ab', 200), {
    message: 'no TLS handshake in 0.2 s',
  })
})

type Made = {
  stream(signal: AbortSignal): ReturnType<Service['stream']>
  state(problem: Problem | undefined): void
  catchUp?: () => Promise<unknown>
  settled?: () => Promise<unknown>
}

const atOnce = async () => undefined

function make({ stream, state, catchUp = atOnce, settled = atOnce }: Made): Follower {
  const unexpected = () => assert.fail('nobody sent that')
  return new Follower({
    service: {
      ask: async () => undefined,
      text: async () => '',
      stream: (_path, { signal }) => stream(signal ?? AbortSignal.abort()),
      close: () => {},
    },
    cursor: () => '',
    catchUp,
    envelope: unexpected,
    head: unexpected,
    feeds: unexpected,
    posture: unexpected,
    hello: unexpected,
    groups: unexpected,
    resync: unexpected,
    state,
    settled,
    monotonic: () => performance.now(),
    random: () => 0,
  })
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')))
    if (signal.aborted) reject(new Error('aborted'))
  })
}

async function listen(context: TestContext, answer: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    answer(socket)
  })
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  return address.port
}
