/** Reports of scans on their way to the service: in order, kept while it is away, one request at a time. */
import { Problem, toProblem } from '#contract/problem.ts'
import { mostReports, type ScanReport } from '#contract/scan.ts'
import type { Service } from './connect.ts'

export type QueueOn = {
  service: Pick<Service, 'ask'>
  /** Why reports are not taken, and undefined once they are. What only the way to the service has is not said here. */
  health(problem: Problem | undefined): void
}

/** What a long outage may pile up; the oldest is given up first, and said so. */
export const mostWaiting = 1_000
const retryMs = { first: 500, longest: 30_000 }
/** What is not understood will never be. */
const forWhatItIs: ReadonlySet<number> = new Set([400, 413, 422])
const reportPath = '/v1/node/alerts'

export class ScanQueue {
  readonly #on: QueueOn
  #waiting: ScanReport[] = []
  #sending: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #wait = retryMs.first
  #givenUp = 0
  #stopped = false

  constructor(on: QueueOn) {
    this.#on = on
  }

  get backlog(): { waiting: number; givenUp: number } {
    return { waiting: this.#waiting.length, givenUp: this.#givenUp }
  }

  add(reports: readonly ScanReport[]): void {
    this.#waiting.push(...reports)
    const surplus = this.#waiting.length - mostWaiting
    if (surplus > 0) {
      this.#waiting.splice(0, surplus)
      this.#givenUp += surplus
      this.#on.health(givenUp(this.#givenUp))
    }
    this.#send()
  }

  /** The service is there (again): what waited goes at once. */
  reachable(): void {
    this.#wait = retryMs.first
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#send()
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#sending) await this.#sending
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    await this.#sending
  }

  #send(): void {
    if (this.#sending || this.#retry || this.#stopped || this.#waiting.length === 0) return
    this.#sending = this.#sendOnce().finally(() => {
      this.#sending = undefined
      this.#send()
    })
  }

  async #sendOnce(): Promise<void> {
    const reports = this.#waiting.slice(0, mostReports)
    try {
      await this.#on.service.ask('POST', reportPath, { body: { reports } })
      this.#done(reports)
      this.#on.health(undefined)
    } catch (error) {
      const problem = toProblem(error)
      if (forWhatItIs.has(problem.status)) {
        this.#givenUp += this.#done(reports)
        this.#on.health(problem)
        return
      }
      // That the service is away is told as its own trouble.
      if (problem.code !== 'service_unreachable') this.#on.health(problem)
      this.#retry = setTimeout(() => {
        this.#retry = undefined
        this.#send()
      }, this.#wait).unref()
      this.#wait = Math.min(retryMs.longest, this.#wait * 2)
    }
  }

  /** Some may have been given up meanwhile. Returns how many were still there. */
  #done(reports: readonly ScanReport[]): number {
    const sent = new Set(reports)
    const before = this.#waiting.length
    this.#waiting = this.#waiting.filter((one) => !sent.has(one))
    this.#wait = retryMs.first
    return before - this.#waiting.length
  }
}

function givenUp(count: number): Problem {
  return new Problem('overloaded', `${count} reports of port scans were given up`, {
    remedy: 'the service was away for long, or does not take them: look at its log',
  })
}
