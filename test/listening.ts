/** A test service that listens on loopback, and nodes that follow its stream. */
import assert from 'node:assert/strict'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { EnvelopeClaims } from '#contract/envelope.ts'
import type { TestNode, TestService } from './service.ts'

export type Frame = { id: string; event: string; data: string }
export type Follower = {
  status: number
  /** All that came so far, in order. */
  frames: Frame[]
  /** The frames of one kind so far. */
  of(event: string): Frame[]
  /** Claims of the envelopes so far. */
  envelopes(): EnvelopeClaims[]
  /** The frames once there are so many of this kind; fails rather than waits for ever. */
  wait(event: string, count?: number): Promise<Frame[]>
  /** Resolves when the service ends the stream. */
  ended: Promise<void>
  /** The body of an answer that is no stream. */
  text(): string
  /** Stops and goes on reading from the socket. */
  pause(): void
  resume(): void
  close(): void
}

const patienceMs = 60_000

export async function listen(service: TestService) {
  const server = await new Promise<ReturnType<typeof serve>>((done) => {
    const started = serve(
      { fetch: service.app.fetch, hostname: '127.0.0.1', port: 0, createServer },
      () => done(started),
    )
  })
  const { port } = server.address() as AddressInfo
  const followers: Follower[] = []
  return {
    port,
    follow: async (node: Pick<TestNode, 'bearer'>, lastEventId?: string): Promise<Follower> => {
      const follower = await follow(port, node.bearer(), lastEventId)
      followers.push(follower)
      return follower
    },
    close: async () => {
      for (const follower of followers) follower.close()
      service.flow.hub.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

async function follow(port: number, bearer: string, lastEventId?: string): Promise<Follower> {
  const headers = {
    authorization: `Bearer ${bearer}`,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  }
  const answer = await new Promise<IncomingMessage>((done, failed) => {
    get({ host: '127.0.0.1', port, path: '/v1/stream', headers, agent: false }, done).on(
      'error',
      failed,
    )
  })
  const frames: Frame[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  let whole = ''
  answer.setEncoding('utf8')
  answer.on('data', (piece: string) => {
    whole += answer.statusCode === 200 ? '' : piece
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop() ?? ''
    frames.push(...blocks.map(readFrame))
    for (const look of waiting) look()
  })
  answer.on('error', () => {})
  const ended = new Promise<void>((done) => answer.once('close', done))
  const of = (event: string) => frames.filter((frame) => frame.event === event)
  return {
    status: answer.statusCode ?? 0,
    frames,
    of,
    envelopes: () => of('envelope').map(({ data }) => claimsIn(data)),
    wait: (event, count = 1) =>
      new Promise((done, failed) => {
        const look = () => {
          if (of(event).length < count) return
          clearTimeout(timer)
          waiting.delete(look)
          done(of(event))
        }
        const timer = setTimeout(() => {
          waiting.delete(look)
          failed(new Error(`${of(event).length} of ${count} ${event} came in time`))
        }, patienceMs)
        waiting.add(look)
        look()
      }),
    ended,
    text: () => whole,
    pause: () => void answer.pause(),
    resume: () => void answer.resume(),
    close: () => answer.destroy(),
  }
}

function readFrame(block: string): Frame {
  const field = (name: string) =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? ''
  return { id: field('id'), event: field('event'), data: field('data') }
}

/** What an envelope says; its signature is the business of other tests. */
export function claimsIn(jws: string): EnvelopeClaims {
  return EnvelopeClaims.parse(payloadOf(jws))
}

export function payloadOf(jws: string): unknown {
  const [, payload] = jws.split('.')
  assert.ok(payload, `no JWS: ${jws.slice(0, 40)}`)
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}
