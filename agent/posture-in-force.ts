/** Keeps the kernel's table of standing rules as the memory says: written anew, healed, and turned at times of the week. */
import type { Protected } from './guard.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import { oneAtATime } from './kernel/turns.ts'
import type { PostureAnswers } from './posture-answers.ts'
import type { PostureMemory } from './posture-memory.ts'
import { networksOf } from './posture-networks.ts'
import { holding, nextRules } from './posture-time.ts'

export type InForceOn = {
  memory: PostureMemory
  /** Undefined for a back end that cannot express them. */
  table: PostureTable | undefined
  here(): readonly Protected[]
  /** Undefined when the service runs elsewhere. */
  servicePort(): number | undefined
  now(): number
  /** False while the time is in doubt: rules that hold at times then stay as they are. */
  timeIsKnown(): boolean
  /** Resolves after the time or when it is stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
  /** So many networks were read and brought into the kernel. */
  brought(networks: number): void
}

/** A clock may be set meanwhile: it is looked at this often at least. */
const lookAgainMs = 60_000

type Enforced = { holding: string; protected: string; servicePort: number | undefined }

export class PosturesInForce {
  readonly #on: InForceOn
  readonly #answers: PostureAnswers
  readonly #turn = oneAtATime()
  /** Ends the pause of who waits for a time of the week, when other rules hold. */
  #moved = new AbortController()
  #stopped = false
  #watching: Promise<void> | undefined
  #enforced: Enforced | undefined

  constructor(on: InForceOn, answers: PostureAnswers) {
    this.#on = on
    this.#answers = answers
  }

  /** Rewrites the table when a time of the week begins or ends, and tries again what the kernel refused. */
  watch(): void {
    this.#watching = this.#watch()
  }

  /** Throws what the disk and the kernel say; what was in force then stays. */
  enforce(): Promise<void> {
    return this.#turn(() => this.#enforce())
  }

  async enforceOrSay(): Promise<void> {
    await this.#turn(() => this.#enforce().catch(this.#answers.say))
  }

  /** What is protected here may have changed. */
  protect(): void {
    if (this.#enforced && !this.#protects(this.#enforced))
      void this.#turn(() => this.#mendProtected())
  }

  /** Puts right what others did to the table. */
  heal(): void {
    if (this.#on.memory.standing.length === 0) return
    void this.#turn(async () => {
      const intact = await this.#on.table?.intact().catch(() => false)
      if (intact === false && this.#on.table?.enforcing)
        await this.#enforce().catch(this.#answers.say)
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

  async #enforce(): Promise<void> {
    const { memory, table, here, servicePort, now } = this.#on
    const postures = memory.standing
    const at = now()
    if (postures.length === 0) {
      await table?.remove()
      this.#enforced = undefined
      return
    }
    this.#moved.abort()
    const protects = this.#protected()
    const networks = (country: Parameters<typeof networksOf>[0]) => networksOf(country, memory)
    const port = servicePort()
    await table?.run({ postures, networks, here: here(), servicePort: port, now: at })
    const all = postures.map(({ posture }) => posture)
    this.#enforced = { holding: holding(all, at), protected: protects, servicePort: port }
    this.#answers.enforced()
    const countries = all.flatMap((posture) => posture.countries)
    this.#on.brought(countries.reduce((sum, { entries }) => sum + entries, 0))
  }

  async #mendProtected(): Promise<void> {
    const protects = this.#protected()
    if (!this.#enforced || this.#protects(this.#enforced)) return
    if (this.#enforced.servicePort !== this.#on.servicePort())
      return this.#enforce().catch(this.#answers.say)
    try {
      await this.#on.table?.protect(this.#on.here())
      this.#enforced = { ...this.#enforced, protected: protects }
    } catch {
      // Somebody took the table away: it is made anew as a whole.
      await this.#enforce().catch(this.#answers.say)
    }
  }

  async #watch(): Promise<void> {
    const { now, pause, memory } = this.#on
    while (!this.#stopped) {
      const postures = memory.standing.map(({ posture }) => posture)
      const next = nextRules(postures, now()) ?? Number.POSITIVE_INFINITY
      this.#moved = new AbortController()
      await pause(Math.min(lookAgainMs, Math.max(1, next - now())), this.#moved.signal)
      if (!this.#stopped) await this.#lookAtTime()
    }
  }

  async #lookAtTime(): Promise<void> {
    const { memory, now, timeIsKnown } = this.#on
    const postures = memory.standing.map(({ posture }) => posture)
    const { refused } = this.#answers
    if (postures.length === 0 && !refused) return
    const changed = this.#enforced?.holding !== holding(postures, now())
    if (refused || (changed && timeIsKnown())) await this.enforceOrSay()
  }

  #protects(enforced: Enforced): boolean {
    return (
      enforced.protected === this.#protected() && enforced.servicePort === this.#on.servicePort()
    )
  }

  #protected(): string {
    return this.#on
      .here()
      .map(({ address }) => address.text)
      .join()
  }
}
