/** Which audiences need their whole state, and fetching those states one after the other. */
import { type Problem, toProblem } from '#contract/problem.ts'
import type { Load } from './accept.ts'

export type CatchUpOn = {
  fetch(audience: string, lostPast: boolean): Promise<Load>
  load(load: Load): Promise<void>
  caughtUp(audience: string, load: Load): void
  /** Why a state cannot be had now; undefined when none is missing. */
  failing(problem: Problem | undefined): void
  /** It is time to try again what failed. */
  retry(): void
  /** 0 to 1. */
  random(): number
}

type Need = { lostPast: boolean; done: boolean; failed?: Problem }

const backOff = { first: 1_000, longest: 60_000 }

export class CatchUp {
  readonly #on: CatchUpOn
  readonly #needed = new Map<string, Need>()
  #running: Promise<boolean> | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #stopped = false

  constructor(on: CatchUpOn) {
    this.#on = on
  }

  /** `lostPast`: the service is to be shown first what it signed last. */
  need(audience: string, lostPast: boolean): void {
    const done = false
    this.#needed.set(audience, { lostPast: lostPast || this.#lostPast(audience), done })
  }

  /** An audience is followed no longer. */
  forget(audience: string): void {
    if (this.#needed.delete(audience) && !this.#running) this.#plan()
  }

  needs(audience: string): boolean {
    return this.#needed.has(audience)
  }

  /**
   * Tries each audience once; what failed stays needed and is tried again later, so that one keeps back none of the
   * others. They count as needed until the end, because the stream leaves out what came meanwhile and goes on only
   * from then. Resolves to whether there is something to go on from. Never throws.
   */
  run(): Promise<boolean> {
    this.#running ??= this.#all().finally(() => {
      this.#running = undefined
      this.#plan()
    })
    return this.#running
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#retry)
  }

  async #all(): Promise<boolean> {
    for (const state of this.#needed.values()) delete state.failed
    for (let next = this.#next(); next; next = this.#next()) await this.#one(...next)
    const done = [...this.#needed].filter(([, state]) => state.done)
    for (const [audience] of done) this.#needed.delete(audience)
    return done.length > 0
  }

  async #one(audience: string, state: Need): Promise<void> {
    try {
      const load = await this.#on.fetch(audience, state.lostPast)
      if (this.#needed.get(audience) !== state) return
      await this.#on.load(load)
      state.done = true
      this.#on.caughtUp(audience, load)
    } catch (error) {
      state.failed = toProblem(error)
    }
  }

  #plan(): void {
    clearTimeout(this.#retry)
    const failed = [...this.#needed.values()].find((state) => state.failed)
    this.#on.failing(failed?.failed)
    this.#failures = failed ? this.#failures + 1 : 0
    if (this.#stopped) return
    // What was needed while the last state was being finished has not had its turn.
    if (this.#next()) this.#retry = setTimeout(() => this.#on.retry(), 0).unref()
    else if (failed) this.#retryLater()
  }

  #retryLater(): void {
    const most = Math.min(backOff.longest, backOff.first * 2 ** Math.min(this.#failures, 10))
    this.#retry = setTimeout(() => this.#on.retry(), this.#on.random() * most).unref()
  }

  #next(): [audience: string, state: Need] | undefined {
    return [...this.#needed].find(([, { done, failed }]) => !done && !failed)
  }

  #lostPast(audience: string): boolean {
    return this.#needed.get(audience)?.lostPast ?? false
  }
}
