/**
 * What is written of the standing rules into the kernel's table, and how: what proved itself, and beside it what is on
 * trial, which is left no more time than it had.
 */
import type { Posture } from '#contract/posture.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { ScopedElement } from './kernel/firewall.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import type { PostureAnswers } from './posture-answers.ts'
import type { HeldPosture, PostureMemory } from './posture-memory.ts'
import { networksOf } from './posture-networks.ts'
import {
  type Passing,
  type PassingOn,
  protectsStill,
  readAllowed,
  readPassing,
  readProtected,
} from './posture-passing.ts'
import type { PostureScript } from './posture-sets.ts'
import { holding } from './posture-time.ts'
import { TrialClock } from './posture-trial.ts'

export type WrittenOn = PassingOn & {
  memory: PostureMemory
  /** Undefined for a back end that cannot express them. */
  table: PostureTable | undefined
  now(): number
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** So many networks were read and brought into the kernel. */
  brought(networks: number): void
}

type Enforced = {
  /** Of either side, while one is on trial. */
  postures: readonly Posture[]
  at: number
  holding: string
  passing: Passing
}

/** One call at a time: whoever calls sees to it. */
export class WrittenPostures {
  readonly #on: WrittenOn
  readonly #answers: PostureAnswers
  /** Other rules hold now. */
  readonly #moved: () => void
  readonly #clock: TrialClock
  #enforced: Enforced | undefined
  #writings = 0
  #judging: number | undefined

  constructor(on: WrittenOn, answers: PostureAnswers, moved: () => void) {
    this.#on = on
    this.#answers = answers
    this.#moved = moved
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

  /** What the kernel has, or is to have. */
  get postures(): readonly Posture[] {
    return this.#enforced?.postures ?? this.#on.memory.standing.map(({ posture }) => posture)
  }

  /** Whether the rules that hold now are those that were written. */
  holdsStill(): boolean {
    return this.#enforced?.holding === holding(this.postures, this.#on.now())
  }

  /** Whether who is protected is as it was written, if anything was. */
  protectsStill(): boolean {
    return !this.#enforced || protectsStill(this.#enforced.passing, this.#on)
  }

  /** Whether what is allowed is as it was written, or there is nothing to let it past. */
  allowsStill(): boolean {
    const { memory, scopes } = this.#on
    const none = !this.#enforced && memory.standing.length === 0
    return none || this.#enforced?.passing.allowed.version === scopes.version
  }

  /** Throws what the disk and the kernel say; what was in force then stays. */
  async enforce(): Promise<void> {
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
    const { memory, table, here, now } = this.#on
    const at = now()
    const passing = readPassing(this.#on)
    const networks = (country: Parameters<typeof networksOf>[0]) => networksOf(country, memory)
    const { servicePort, allowed } = passing
    const script = { postures, before, networks, here: here(), servicePort, now: at }
    const unpassed = await runWith(table, script, allowed.elements)
    const all = [...postures, ...(before ?? [])].map(({ posture }) => posture)
    this.#enforced = { postures: all, at, holding: holding(all, at), passing }
    this.#moved()
    this.#answers.enforced(unpassed)
    const countries = all.flatMap((posture) => posture.countries)
    this.#on.brought(countries.reduce((sum, { entries }) => sum + entries, 0))
  }

  /** What was on trial has proved itself, and the memory says so. Its counts go on. Throws as `enforce`. */
  async confirm(): Promise<void> {
    try {
      await this.#on.table?.confirm()
      this.#alone()
    } catch {
      await this.enforce()
    }
  }

  /** What judged before is out of the table. */
  #alone(): void {
    if (!this.#enforced) return
    const { at } = this.#enforced
    const postures = this.#on.memory.proven.map(({ posture }) => posture)
    this.#enforced = { ...this.#enforced, postures, holding: holding(postures, at) }
    this.#moved()
  }

  /** Who is protected as it is now. */
  async mendProtected(): Promise<void> {
    const protects = readProtected(this.#on)
    if (!this.#enforced || this.protectsStill()) return
    if (this.#enforced.passing.servicePort !== this.#on.servicePort())
      return this.enforce().catch(this.#answers.say)
    try {
      await this.#on.table?.protect(this.#on.here())
      this.#pass({ protected: protects })
    } catch {
      // Somebody took the table away: it is made anew as a whole.
      await this.enforce().catch(this.#answers.say)
    }
  }

  /** What is allowed as it is now. */
  async mendAllowed(): Promise<void> {
    const { table, now } = this.#on
    if (!this.#enforced || this.allowsStill()) return
    const allowed = readAllowed(this.#on)
    try {
      if (allowed.text !== this.#enforced.passing.allowed.text) {
        await table?.allow(allowed.elements, now())
        this.#answers.passed()
      }
      this.#pass({ allowed })
    } catch {
      // Somebody changed the table, or it does not take them: it is made anew as a whole.
      await this.enforce().catch(this.#answers.say)
    }
  }

  #pass(mended: Partial<Passing>): void {
    if (!this.#enforced) return
    this.#enforced = { ...this.#enforced, passing: { ...this.#enforced.passing, ...mended } }
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
