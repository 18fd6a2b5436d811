/** Keeps the memory in step with what is wished: each round is written before the kernel hears of it. */
import { isDeepStrictEqual } from 'node:util'
import type { Problem } from '#contract/problem.ts'
import type { Clock, ClockMark, LocalClock } from './clock.ts'
import type { Answer } from './differences.ts'
import type { Dropped, Memory, Remembered, Standing, Step } from './memory.ts'
import { Pause } from './pause.ts'
import { refusedByDisk } from './state.ts'
import { Untold } from './untold.ts'
import type { Claim, Wished } from './wished.ts'

/** Whoever has more of them than this has a kernel that takes none. */
const mostLeftOut = 1_000

export type RecordOn = {
  memory: Memory
  wished: Wished
  clock: Clock
  local(): LocalClock
  /** The disk refuses. Enforcing goes on: a restart then takes up an older position of the stream. */
  trouble(problem: Problem): void
  /** The disk takes again, and holds everything. */
  well(): void
}

export class Recorder {
  readonly #on: RecordOn
  readonly #standings: Map<string, Standing>
  readonly #untold: Untold
  readonly #pause: Pause
  #moved = new Set<string>()
  #put: Claim[] = []
  #leftOut: readonly Dropped[]
  #leftOutMoved = false
  /** A whole state is being taken, so that what is wished is less than what its new position promises. */
  #loading = false
  /** A step is missing in the log: nothing may follow it there, and only a rewrite mends it. */
  #torn = false

  /** After the memory was loaded. */
  constructor(
    on: RecordOn,
    {
      standings,
      dropped,
      refused,
      left_out = [],
    }: Pick<Remembered, 'standings' | 'dropped' | 'refused'> & Partial<Remembered>,
  ) {
    this.#on = on
    this.#standings = standings
    this.#leftOut = left_out
    this.#untold = new Untold([...dropped, ...refused])
    const uptime = () => on.local().uptime
    this.#pause = new Pause(uptime, () => {
      if (!on.memory.closed) this.write()
    })
  }

  get standings(): ReadonlyMap<string, Standing> {
    return this.#standings
  }

  standing(audience: string): Standing | undefined {
    return this.#standings.get(audience)
  }

  stand(audience: string, standing: Standing): void {
    this.#standings.set(audience, standing)
    this.#moved.add(audience)
  }

  put(claim: Claim): void {
    this.#put.push(claim)
  }

  /** The claim is over. */
  drop(audience: string, decision: string): void {
    this.#untold.drop([audience, decision])
  }

  /** What the kernel refuses alone. */
  get leftOut(): readonly Dropped[] {
    return this.#leftOut
  }

  /** These are all that the kernel refuses alone; written at once. */
  leaveOut(all: readonly Dropped[]): void {
    const some = all.slice(0, mostLeftOut)
    if (isDeepStrictEqual(some, this.#leftOut)) return
    this.#leftOut = some
    this.#leftOutMoved = true
    this.write()
  }

  /** Each answer from the moment on that it is owed, so that no step moves a position past a refusal without it. */
  hear(answer: Answer): void {
    this.#untold.hear(answer)
  }

  /** A whole state that will be taken answers with these. */
  expect(answers: readonly Answer[]): void {
    this.#untold.expect(answers)
  }

  /** One step of the log with all that was said since the last. Drops and refusals are read before puts. */
  write(): void {
    const moved = this.#moved.size + this.#put.length > 0 || this.#leftOutMoved
    if (moved || !this.#untold.still) this.#append()
    this.#mend()
  }

  /** What time it is now, for a node that boots without a clock, and whether the service was told all until now. */
  mark(told: boolean): void {
    this.#append(told)
    this.#mend()
  }

  /**
   * The audience's claims become these, in one step that is on the disk when this returns. Until `loaded` is
   * called, what is wished may still lack some of them.
   */
  replace(audience: string, standing: Standing, claims: readonly Claim[]): void {
    this.#standings.set(audience, standing)
    this.#untold.reach(audience)
    this.#turn(replaced(this.#on.wished.claims(), audience, claims))
  }

  /** The audience is followed no longer. */
  forget(audience: string): void {
    this.#standings.delete(audience)
    this.#turn(replaced(this.#on.wished.claims(), audience, []))
  }

  /** What is wished is again all that the positions promise. */
  loaded(): void {
    this.#loading = false
  }

  /** A position that was not reached step by step: no step can follow the old log any more. */
  #turn(claims: Iterable<Claim>): void {
    if (!this.#save(claims)) this.#torn = true
    this.#loading = true
  }

  #mend(): void {
    if ((this.#torn || this.#on.memory.grown) && !this.#loading)
      this.#save(this.#on.wished.claims())
  }

  /** False when the disk refuses, or is left alone because it did. */
  #save(claims: Iterable<Claim>): boolean {
    if (this.#pause.lasts) return false
    const { drop, refused } = this.#untold.all
    const clock = this.#clockMark()
    try {
      this.#on.memory.rewrite(clock, this.#standings, claims, drop, refused, this.#leftOut)
    } catch (error) {
      this.#pause.begin()
      this.#on.trouble(refusedByDisk(error))
      return false
    }
    this.#taken()
    return true
  }

  /** Everything is on the disk. */
  #taken(): void {
    const well = this.#pause.end() || this.#torn
    this.#torn = false
    this.#clear()
    if (well) this.#on.well()
  }

  #append(told = false): void {
    const last = new Map(this.#put.map((claim) => [`${claim.audience} ${claim.decision}`, claim]))
    const put = [...last.values()].filter((claim) => this.#on.wished.holds(claim))
    const standings = [...this.#moved].flatMap((audience) => {
      const standing = this.#standings.get(audience)
      return standing ? [[audience, standing] as const] : []
    })
    const { drop, refused } = this.#untold.news
    const answers = refused.length > 0 ? { drop, refused } : { drop }
    const left = this.#leftOutMoved ? { left_out: this.#leftOut } : {}
    const step = { clock: this.#clockMark(), standings, put, ...answers, ...left }
    if (!this.#torn) this.#tryAppend(told ? { ...step, told } : step)
    if (told) this.#untold.told()
    this.#clear()
  }

  #clear(): void {
    this.#moved = new Set()
    this.#put = []
    this.#leftOutMoved = false
    this.#untold.written()
  }

  #clockMark(): ClockMark {
    return { at: this.#on.clock.now(), ...this.#on.local() }
  }

  #tryAppend(step: Step): void {
    try {
      this.#on.memory.append(step)
    } catch (error) {
      this.#torn = true
      this.#on.trouble(refusedByDisk(error))
    }
  }
}

function* replaced(
  all: Iterable<Claim>,
  audience: string,
  claims: readonly Claim[],
): Generator<Claim> {
  for (const claim of all) if (claim.audience !== audience) yield claim
  yield* claims
}
