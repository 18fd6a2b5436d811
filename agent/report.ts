/** What the node says back: receipts and heartbeats, kept while the service is away, one request at a time. */
import { z } from 'zod'
import { toProblem } from '#contract/problem.ts'
import type { Heartbeat, NodeEvent, Receipt } from '#contract/receipt.ts'
import { readAnswer, type Service } from './connect.ts'
import type { Answer } from './differences.ts'
import { ReceiptQueue } from './receipt-queue.ts'

export type ReportOn = {
  service: Service
  now(): number
  /** Milliseconds that only go forward, for round trips. */
  monotonic(): number
  /** All of the heartbeat but its events. */
  state(): Omit<Heartbeat, 'events'>
  /** The service's clock at some moment of the last `roundTripMs`. */
  measured(time: number, roundTripMs: number): void
  /** The service has what the heartbeat said. */
  heard(heartbeat: Heartbeat): void
  /** There is an event to be told. */
  happened(): void
  /** A whole state is being enforced: what can wait waits, so that both machines have their time for that. */
  loading(): boolean
}

const receiptsInRequest = 5_000
/** What a long outage may pile up; the oldest is given up first, and said so. */
const most = { receipts: 1_000_000, runs: 100_000 }
/** How often it is looked whether a load has ended. */
const loadingMs = 50
/**
 * The first receipt goes at once; those of the next moments go together, so that a fleet under a stream of orders does not
 * keep the service busy with as many small requests as there are nodes times orders.
 */
const paceMs = 50
const mostEvents = 100
/** Refusals after which the rest of a batch is given up: the service then understands none of it. */
const mostRefusals = 100
/** What is not understood will never be; what is too large is not when it is halved. */
const forWhatItIs: ReadonlySet<number> = new Set([400, 413, 422])
const retryMs = { first: 500, longest: 30_000 }
const HeartbeatAnswer = z.object({ time: z.number() })

export class Reporter {
  readonly #on: ReportOn
  readonly #receipts = new ReceiptQueue()
  #events: NodeEvent[] = []
  #givenUp = 0
  #sending: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #wait = retryMs.first
  #lastSent = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(on: ReportOn) {
    this.#on = on
  }

  /** Receipts that wait, and how many were given up. */
  get backlog(): { waiting: number; givenUp: number } {
    return { waiting: this.#receipts.size, givenUp: this.#givenUp }
  }

  /** The service has everything that was to be said. */
  get idle(): boolean {
    return this.#receipts.size === 0 && this.#sending === undefined
  }

  answers(answers: readonly Answer[]): void {
    const at = this.#on.now()
    for (const answer of answers) this.#receipts.add(answer, at)
    this.#givenUp += this.#receipts.giveUp(most)
    this.#send()
  }

  event(kind: NodeEvent['kind'], detail: string): void {
    this.#events.push({ kind, at: this.#on.now(), detail: detail.slice(0, 500) })
    if (this.#events.length > mostEvents) this.#events.shift()
    this.#on.happened()
  }

  /** The service is there (again): what waited goes at once. */
  reachable(): void {
    this.#wait = retryMs.first
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#send()
  }

  /** Throws what the request throws; the events then go with the next one. */
  async heartbeat(): Promise<void> {
    const events = this.#events.slice()
    const sent = this.#on.monotonic()
    const body = { ...this.#on.state(), events }
    const answer = await this.#on.service.ask('POST', '/v1/heartbeat', { body })
    this.#events = this.#events.filter((event) => !events.includes(event))
    this.#on.heard(body)
    const { time } = readAnswer(HeartbeatAnswer, answer, '/v1/heartbeat')
    this.#on.measured(time, this.#on.monotonic() - sent)
  }

  /** Resolves when nothing is on its way. What still waits is said again after a restart. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    await this.#sending
  }

  #send(): void {
    if (this.#sending || this.#retry || this.#stopped || this.#receipts.size === 0) return
    if (this.#on.loading()) {
      this.#sendIn(loadingMs)
      return
    }
    const early = this.#lastSent + paceMs - this.#on.monotonic()
    if (early > 0 && this.#receipts.size < receiptsInRequest) {
      this.#sendIn(early)
      return
    }
    this.#lastSent = this.#on.monotonic()
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined
      this.#send()
    })
  }

  /** What waits now, in as many requests as it needs. */
  async #sendAll(): Promise<void> {
    for (let left = this.#receipts.size; left > 0 && !this.#stopped; left -= receiptsInRequest) {
      const batch = this.#receipts.take(receiptsInRequest)
      const unsent = await this.#deliver(latest(batch))
      if (unsent.length === 0) continue
      this.#receipts.putBack(unsent)
      this.#sendIn(this.#wait)
      this.#wait = Math.min(retryMs.longest, this.#wait * 2)
      return
    }
  }

  /**
   * Returns what is to be sent again. What is refused for what it is, is halved until that is alone, and only that is
   * given up. An older service does not know what was stopped with a receipt, so that goes first.
   */
  async #deliver(batch: readonly Receipt[]): Promise<readonly Receipt[]> {
    const pieces = [batch]
    let refusals = 0
    for (let piece = pieces.shift(); piece; piece = pieces.shift()) {
      try {
        if (this.#stopped) return [piece, ...pieces].flat()
        await this.#on.service.ask('POST', '/v1/receipts', { body: { receipts: piece } })
        this.#wait = retryMs.first
      } catch (error) {
        const { status } = toProblem(error)
        if (!forWhatItIs.has(status)) return [piece, ...pieces].flat()
        if (piece.some(({ hits }) => hits)) {
          pieces.unshift(piece.map(withoutHits))
          continue
        }
        const half = Math.ceil(piece.length / 2)
        if (piece.length === 1 || ++refusals > mostRefusals) this.#givenUp += piece.length
        else pieces.unshift(piece.slice(0, half), piece.slice(half))
      }
    }
    return []
  }

  #sendIn(ms: number): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#send()
    }, ms).unref()
  }
}

function withoutHits({ hits: _, ...receipt }: Receipt): Receipt {
  return receipt
}

/** Of several receipts about one decision only the last is news. */
function latest(batch: readonly Receipt[]): readonly Receipt[] {
  const last = new Map<string, Map<string, Receipt>>()
  for (const one of batch) {
    const known = last.get(one.audience)
    if (known) known.set(one.decision, one)
    else last.set(one.audience, new Map([[one.decision, one]]))
  }
  return [...last.values()].flatMap((ofAudience) => [...ofAudience.values()])
}
