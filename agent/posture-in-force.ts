/**
 * Keeps the kernel's table of standing rules as the memory says: written anew, healed, and turned at times of the week. What
 * is written while a version is on trial leaves it no more time than it had.
 */
import type { Posture } from '#contract/posture.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Protected } from './guard.ts'
import type { ScopedElement } from './kernel/firewall.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import { oneAtATime } from './kernel/turns.ts'
import { allowedOf } from './posture-allowed.ts'
import type { PostureAnswers } from './posture-answers.ts'
import type { HeldPosture, PostureMemory } from './posture-memory.ts'
import { networksOf } from './posture-networks.ts'
import type { PostureScript } from './posture-sets.ts'
import { holding, nextRules } from './posture-time.ts'
import { TrialClock } from './posture-trial.ts'
import { identityOf } from './scope.ts'
import type { Scopes } from './scopes.ts'

export type InForceOn = {
  memory: PostureMemory
  /** Undefined for a back end that cannot express them. */
  table: PostureTable | undefined
  here(): readonly Protected[]
  /** What is wished beyond plain blocks. */
  scopes: Pick<Scopes, 'version' | 'elements'>
  /** Undefined when the service runs elsewhere. */
  servicePort(): number | undefined
  now(): number
  /** False while the time is in doubt: rules that hold at times then stay as they are. */
  timeIsKnown(): boolean
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** Resolves after the time or when it is stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
  /** So many networks were read and brought into the kernel. */
  brought(networks: number): void
}

/** A clock may be set meanwhile: it is looked at this often at least. */
const lookAgainMs = 60_000

type Enforced = {
  /** Of either side, while one is on trial. */
  postures: readonly Posture[]
  at: number
  holding: string
  protected: string
  servicePort: number | undefined
  allowed: Allowed
}

/** As it follows from a version of what is wished; in one text to compare it by. */
type Allowed = { version: number; elements: readonly ScopedElement[]; text: string }

export class PosturesInForce {
  readonly #on: InForceOn
  readonly #answers: PostureAnswers
  readonly #turn = oneAtATime()
  /** Ends the pause of who waits for a time of the week, when other rules hold. */
  #moved = new AbortController()
  #stopped = false
  #watching: Promise<void> | undefined
  #enforced: Enforced | undefined
  readonly #clock: TrialClock
  #writings = 0
  #judging: number | undefined

  constructor(on: InForceOn, answers: PostureAnswers) {
    this.#on = on
    this.#answers = answers
    this.#clock = new TrialClock(on)
  }

  /** When the kernel may go back from what is on trial, by the monotonic clock. */
  get until(): number {
    return this.#clock.until
  }

  /** Another number after each writing; undefined during one, and after one that failed. */
  get judging(): number | undefined {
    return this.#judging
  }

  /** Rewrites the table when a time of the week begins or ends, and tries again what the kernel refused. */
  watch(): void {
    this.#watching = this.#watch()
  }

  /** Throws what the disk and the kernel say; what was in force then stays. */
  enforce(): Promise<void> {
    return this.#turn(() => this.#enforce())
  }

  /** What was on trial has proved itself, and the memory says so. Its counts go on. Throws as `enforce`. */
  confirm(): Promise<void> {
    return this.#turn(async () => {
      try {
        await this.#on.table?.confirm()
        this.#alone()
      } catch {
        await this.#enforce()
      }
    })
  }

  async enforceOrSay(): Promise<void> {
    await this.#turn(() => this.#enforce().catch(this.#answers.say))
  }

  /** What is protected here may have changed. */
  protect(): void {
    if (this.#enforced && !this.#protects(this.#enforced))
      void this.#turn(() => this.#mendProtected())
  }

  /** What is allowed may have changed. */
  allow(): void {
    const { memory, scopes } = this.#on
    const none = !this.#enforced && memory.standing.length === 0
    if (none || this.#enforced?.allowed.version === scopes.version) return
    void this.#turn(() => this.#mendAllowed())
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
    const { trial } = this.#on.memory
    this.#judging = undefined
    if (trial && !this.#clock.isOver(trial)) await this.#enforceTrial(trial)
    else {
      if (trial) this.#clock.end()
      await this.#enforceProven()
    }
    this.#judging = ++this.#writings
  }

  async #enforceProven(): Promise<void> {
    const { memory, table } = this.#on
    if (memory.proven.length > 0) return this.#write(memory.proven)
    await table?.remove()
    this.#enforced = undefined
  }

  /** Networks are many and take their time: that of the trial begins when all are there. */
  async #enforceTrial(trial: HeldPosture): Promise<void> {
    const { memory, table } = this.#on
    await this.#write(memory.standing, memory.proven)
    const seconds = this.#clock.take(trial)
    try {
      if (seconds > 0) await table?.open(seconds)
    } catch (error) {
      await this.#enforceProven().catch(this.#answers.say)
      throw error
    }
  }

  async #write(postures: readonly HeldPosture[], before?: readonly HeldPosture[]): Promise<void> {
    const { memory, table, here, servicePort, now } = this.#on
    const at = now()
    const protects = this.#protected()
    const networks = (country: Parameters<typeof networksOf>[0]) => networksOf(country, memory)
    const port = servicePort()
    const allowed = this.#allowed()
    const script = { postures, before, networks, here: here(), servicePort: port, now: at }
    const unpassed = await runWith(table, script, allowed.elements)
    const all = [...postures, ...(before ?? [])].map(({ posture }) => posture)
    this.#enforced = {
      ...{ postures: all, at, holding: holding(all, at) },
      protected: protects,
      servicePort: port,
      allowed,
    }
    this.#moved.abort()
    this.#answers.enforced(unpassed)
    const countries = all.flatMap((posture) => posture.countries)
    this.#on.brought(countries.reduce((sum, { entries }) => sum + entries, 0))
  }

  /** What judged before is out of the table. */
  #alone(): void {
    if (!this.#enforced) return
    const { at } = this.#enforced
    const postures = this.#on.memory.proven.map(({ posture }) => posture)
    this.#enforced = { ...this.#enforced, postures, holding: holding(postures, at) }
    this.#moved.abort()
  }

  /** What the kernel has, or is to have. */
  #judged(): readonly Posture[] {
    return this.#enforced?.postures ?? this.#on.memory.standing.map(({ posture }) => posture)
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

  async #mendAllowed(): Promise<void> {
    const { table, scopes, now } = this.#on
    if (!this.#enforced || this.#enforced.allowed.version === scopes.version) return
    const allowed = this.#allowed()
    try {
      if (allowed.text !== this.#enforced.allowed.text) {
        await table?.allow(allowed.elements, now())
        this.#answers.passed()
      }
      this.#enforced = { ...this.#enforced, allowed }
    } catch {
      // Somebody changed the table, or it does not take them: it is made anew as a whole.
      await this.#enforce().catch(this.#answers.say)
    }
  }

  #allowed(): Allowed {
    const { version } = this.#on.scopes
    const elements = allowedOf(this.#on.scopes.elements())
    const text = elements.map((one) => `${identityOf(one)} ${one.layer} ${one.end}`).join('\n')
    return { version, elements, text }
  }

  async #watch(): Promise<void> {
    const { now, pause } = this.#on
    while (!this.#stopped) {
      const next = nextRules(this.#judged(), now()) ?? Number.POSITIVE_INFINITY
      this.#moved = new AbortController()
      await pause(Math.min(lookAgainMs, Math.max(1, next - now())), this.#moved.signal)
      if (!this.#stopped) await this.#lookAtTime()
    }
  }

  /** In its turn: what is being written now is not written again. */
  #lookAtTime(): Promise<void> {
    return this.#turn(async () => {
      const { now, timeIsKnown } = this.#on
      const postures = this.#judged()
      const { refused } = this.#answers
      if (postures.length === 0 && !refused) return
      const changed = this.#enforced?.holding !== holding(postures, now())
      if (refused || (changed && timeIsKnown())) await this.#enforce().catch(this.#answers.say)
    })
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

/** What lets some people past the rules must not keep the rules out: why it was left out, if it was. Throws as `run`. */
async function runWith(
  table: PostureTable | undefined,
  script: PostureScript,
  allowed: readonly ScopedElement[],
): Promise<Problem | undefined> {
  try {
    await table?.run({ ...script, allowed })
    return undefined
  } catch (error) {
    if (allowed.length === 0) throw error
    await table?.run(script)
    const { message } = toProblem(error)
    return new Problem('kernel_refused', `standing rules stop what is allowed, too: ${message}`, {
      remedy: 'accept it in a service of the posture as long as it is needed',
      cause: error,
    })
  }
}
