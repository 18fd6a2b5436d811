/** Follows the service's stream for as long as the agent runs, whatever happens to the service. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Audience, NodeName } from '#contract/audience.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { readAnswer, type Service } from './connect.ts'
import { EventReader, type StreamEvent } from './events.ts'

export const ResyncReason = z.enum(['unknown', 'gap', 'ahead', 'fork', 'epoch', 'pruned'])
export type ResyncReason = z.infer<typeof ResyncReason>

export type FollowOn = {
  service: Service
  /** Where to go on from: the value of Last-Event-ID. */
  cursor(): string
  /** Tries to fetch whatever whole states are needed; the stream begins without those that cannot be had now. */
  catchUp(): Promise<unknown>
  envelope(jws: string): void
  head(jws: string): void
  /** Which lists an audience enforces as a whole. */
  feeds(jws: string): void
  /** The standing rules of an audience. */
  posture(jws: string): void
  hello(hello: Hello, roundTripMs: number): void
  groups(groups: string[]): void
  resync(audience: string, reason: ResyncReason): void
  /** Undefined once the stream is there, and the reason when it is not. */
  state(problem: Problem | undefined): void
  /** Resolves when nothing waits of what was handed over. */
  settled(): Promise<unknown>
  monotonic(): number
  /** 0 to 1. */
  random(): number
}

const Hello = z.object({ node: NodeName, groups: z.array(NodeName), time: z.number() })
export type Hello = z.infer<typeof Hello>
const Groups = z.object({ groups: z.array(NodeName) })
const Resync = z.object({ audience: Audience, reason: ResyncReason })

/** Heads come every 15 s; three missing ones are a dead line, or a relay that holds everything back. */
const silenceMs = 45_000
const briefMs = 1_000
/** What waits for the kernel, or for an answer about a key, must not fill the memory: the sender waits then. */
const mostUnsettled = 16 * 1024 * 1024
const backOff = { first: 250, longest: 30_000 }
/** Why a stream was ended that is to begin anew at once. */
const anew = Symbol('anew')

export class Follower {
  readonly #on: FollowOn
  readonly #stopping = new AbortController()
  #stream: AbortController | undefined
  #silence: NodeJS.Timeout | undefined
  #failures = 0

  constructor(on: FollowOn) {
    this.#on = on
  }

  /** Returns only after stop. */
  async run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const began = this.#on.monotonic()
      let wanted = false
      try {
        await this.#on.catchUp()
        wanted = await this.#follow()
      } catch (error) {
        this.#failures++
        if (!signal.aborted) this.#on.state(toProblem(error))
      }
      await this.#rest(wanted, this.#on.monotonic() - began, signal)
    }
  }

  /** None for a reconnection of our own, unless streams break off again and again as soon as they begin. */
  async #rest(wanted: boolean, lastedMs: number, signal: AbortSignal): Promise<void> {
    if (wanted && lastedMs > briefMs) return
    if (wanted) this.#failures++
    await sleep(this.#delay(), undefined, { signal }).catch(() => undefined)
  }

  stop(): void {
    this.#stopping.abort()
    this.#stream?.abort()
  }

  /**
   * Goes on from the new cursor at once, or after a pause when something is wrong with what came. Without a stream
   * there is nothing to end: the next one begins from the new cursor anyhow.
   */
  reconnect(problem?: Problem): void {
    this.#stream?.abort(problem ?? anew)
  }

  /** Something that the service signed has come. */
  alive(): void {
    this.#failures = 0
    this.#silence?.refresh()
  }

  /** Exponential with full jitter, so that a fleet does not come back all at once. */
  #delay(): number {
    const most = Math.min(backOff.longest, backOff.first * 2 ** Math.min(this.#failures, 10))
    return this.#on.random() * most
  }

  /** Resolves to whether it was ended by ourselves, to begin anew; any other end is thrown. */
  async #follow(): Promise<boolean> {
    if (this.#stopping.signal.aborted) return false
    const stream = new AbortController()
    this.#stream = stream
    this.#silence = setTimeout(() => stream.abort(silent()), silenceMs).unref()
    const asked = this.#on.monotonic()
    try {
      const headers = { accept: 'text/event-stream', 'last-event-id': this.#on.cursor() }
      const answer = await this.#on.service.stream('/v1/stream', { headers, signal: stream.signal })
      await this.#read(answer, asked)
      throw ended()
    } catch (error) {
      const { reason } = stream.signal
      if (reason === anew) return true
      throw reason instanceof Problem ? reason : lost(error)
    } finally {
      clearTimeout(this.#silence)
      this.#silence = undefined
      this.#stream = undefined
    }
  }

  async #read(answer: AsyncIterable<unknown>, asked: number): Promise<void> {
    const decoder = new TextDecoder()
    const events = new EventReader()
    let unsettled = 0
    for await (const piece of answer) {
      if (!(piece instanceof Uint8Array)) continue
      unsettled += piece.length
      if (unsettled > mostUnsettled) {
        await this.#on.settled()
        unsettled = piece.length
      }
      for (const event of events.push(decoder.decode(piece, { stream: true })))
        this.#dispatch(event, asked)
    }
  }

  #dispatch({ event, data }: StreamEvent, asked: number): void {
    if (event === 'envelope') this.#on.envelope(data)
    else if (event === 'head') this.#on.head(data)
    else if (event === 'feeds') this.#on.feeds(data)
    else if (event === 'posture') this.#on.posture(data)
    else if (event === 'hello') this.#greet(readAnswer(Hello, parse(data), event), asked)
    else if (event === 'groups') this.#on.groups(readAnswer(Groups, parse(data), event).groups)
    else if (event === 'resync') {
      const { audience, reason } = readAnswer(Resync, parse(data), event)
      this.#on.resync(audience, reason)
    }
  }

  #greet(hello: Hello, asked: number): void {
    this.#on.hello(hello, this.#on.monotonic() - asked)
    this.#on.state(undefined)
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

function lost(error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('service_unreachable', 'the stream broke off', {
    remedy: 'the node comes back by itself; blocks go on meanwhile',
    cause: error,
  })
}

function ended(): Problem {
  return new Problem('service_unreachable', 'the service ended the stream', {
    remedy: 'the node comes back by itself; blocks go on meanwhile',
  })
}

function silent(): Problem {
  return new Problem('service_unreachable', `nothing signed came for ${silenceMs / 1_000} s`, {
    remedy: 'look at what stands between node and service; the node comes back by itself',
  })
}
