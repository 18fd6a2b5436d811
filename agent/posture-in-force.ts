/**
 * Keeps the kernel's table of standing rules as the memory says: when it is written, in turn, healed, and changed at times
 * of the week.
 */
import { oneAtATime } from './kernel/turns.ts'
import type { PostureAnswers } from './posture-answers.ts'
import { nextRules } from './posture-time.ts'
import { type WrittenOn, WrittenPostures } from './posture-written.ts'

export type InForceOn = WrittenOn & {
  /** False while the time is in doubt: rules that hold at times then stay as they are. */
  timeIsKnown(): boolean
  /** Resolves after the time or when it is stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
}

/** A clock may be set meanwhile: it is looked at this often at least. */
const lookAgainMs = 60_000

export class PosturesInForce {
  readonly #on: InForceOn
  readonly #answers: PostureAnswers
  readonly #written: WrittenPostures
  readonly #turn = oneAtATime()
  /** Ends the pause of who waits for a time of the week, when other rules hold. */
  #moved = new AbortController()
  #stopped = false
  #watching: Promise<void> | undefined

  constructor(on: InForceOn, answers: PostureAnswers) {
    this.#on = on
    this.#answers = answers
    this.#written = new WrittenPostures(on, answers, () => this.#moved.abort())
  }

  /** When the kernel may go back from what is on trial, by the monotonic clock. */
  get until(): number {
    return this.#written.until
  }

  /** Another number after each writing; undefined during one, and after one that failed. */
  get judging(): number | undefined {
    return this.#written.judging
  }

  /** Rewrites the table when a time of the week begins or ends, and tries again what the kernel refused. */
  watch(): void {
    this.#watching = this.#watch()
  }

  /** Throws what the disk and the kernel say; what was in force then stays. */
  enforce(): Promise<void> {
    return this.#turn(() => this.#written.enforce())
  }

  /** What was on trial has proved itself, and the memory says so. Its counts go on. Throws as `enforce`. */
  confirm(): Promise<void> {
    return this.#turn(() => this.#written.confirm())
  }

  async enforceOrSay(): Promise<void> {
    await this.#turn(() => this.#enforceOrSay())
  }

  /** What is protected here may have changed. */
  protect(): void {
    if (!this.#written.protectsStill()) void this.#turn(() => this.#written.mendProtected())
  }

  /** What is allowed may have changed. */
  allow(): void {
    if (!this.#written.allowsStill()) void this.#turn(() => this.#written.mendAllowed())
  }

  /** Puts right what others did to the table. */
  heal(): void {
    if (this.#on.memory.standing.length === 0) return
    void this.#turn(async () => {
      const intact = await this.#on.table?.intact().catch(() => false)
      if (intact === false && this.#on.table?.enforcing) await this.#enforceOrSay()
    })
  }

  /** Whether a table is left where none is to be: an agent may die between the disk and the kernel. */
  async isStale(): Promise<boolean> {
    const { memory, table } = this.#on
    const none = memory.standing.length === 0
    return none && (await table?.intact().catch(() => true)) === false
  }

  async settled(): Promise<void> {
    await this.#turn(async () => {})
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#moved.abort()
    await this.#watching
    await this.settled()
  }

  /** Within a turn. */
  #enforceOrSay(): Promise<void> {
    return this.#written.enforce().catch(this.#answers.say)
  }

  async #watch(): Promise<void> {
    const { now, pause } = this.#on
    while (!this.#stopped) {
      const next = nextRules(this.#written.postures, now()) ?? Number.POSITIVE_INFINITY
      this.#moved = new AbortController()
      await pause(Math.min(lookAgainMs, Math.max(1, next - now())), this.#moved.signal)
      if (!this.#stopped) await this.#lookAtTime()
    }
  }

  /** In its turn: what is being written now is not written again. */
  #lookAtTime(): Promise<void> {
    return this.#turn(async () => {
      const { refused } = this.#answers
      if (this.#written.postures.length === 0 && !refused) return
      const changed = !this.#written.holdsStill()
      if (refused || (changed && this.#on.timeIsKnown())) await this.#enforceOrSay()
    })
  }
}
