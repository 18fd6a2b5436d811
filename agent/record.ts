/** Keeps the memory in step with what is wished: each round is written before the kernel hears of it. */
import { Problem } from '#contract/problem.ts'
import type { Clock, ClockMark, LocalClock } from './clock.ts'
import type { Answer, Differences } from './differences.ts'
import { apart, type Dropped, type Memory, nameOf, type Standing, type Step } from './memory.ts'
import type { Claim, Wished } from './wished.ts'

/** More than this waits for a service that is away only after a mass lift; the oldest is given up first. */
const mostUntold = 100_000
/** A disk that refused everything is left alone: all is written anew then, which nothing that comes may wait for. */
const pauseMs = { first: 100, longest: 5_000 }

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
  #moved = new Set<string>()
  #put: Claim[] = []
  /** What was let go of or refused since the last step, the last word of each decision. */
  #answered = new Map<string, Dropped | Answer>()
  /** The same since the service was last told all: a rewrite must not forget it. */
  #untold: Map<string, Dropped | Answer>
  /** What is refused of a whole state that is on its way: its position must not be written without it. */
  readonly #expected = new Map<string, Answer>()
  /** A whole state is being taken, so that what is wished is less than what its new position promises. */
  #loading = false
  /** A step is missing in the log: nothing may follow it there, and only a rewrite mends it. */
  #torn = false
  /** The last pause, 0 while the disk takes, and when it ends: in the time since boot. */
  #pause = 0
  #resume = Number.NEGATIVE_INFINITY
  #retry: NodeJS.Timeout | undefined

  /** After the memory was loaded. */
  constructor(on: RecordOn, standings: Map<string, Standing>, dropped: readonly Dropped[] = []) {
    this.#on = on
    this.#standings = standings
    const untold = [...dropped, ...on.memory.refused]
    this.#untold = new Map(untold.map((one) => [nameOf(one), one]))
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

  /** The claim is over. If that is because a newer action was refused, the refusal stays the last word. */
  drop(audience: string, decision: string): void {
    const dropped: Dropped = [audience, decision]
    if (!isRefusal(this.#answered.get(nameOf(dropped)))) this.#answer(dropped)
  }

  /**
   * Each refusal is known here from the moment on that it is owed, so that no step moves a position past it without it.
   * What was refused before the start and may not have been told is owed once more.
   */
  hear(differences: Pick<Differences, 'owe'>): void {
    const owe = differences.owe.bind(differences)
    for (const answer of this.#on.memory.refused) owe(answer)
    differences.owe = (answer) => {
      this.#hear(answer)
      owe(answer)
    }
  }

  /** A whole state that will be taken: its refusals are owed only when all of it was, its position is written before. */
  expect<Expected extends { answers: readonly Answer[] }>(load: Expected): Expected {
    for (const answer of load.answers) if (answer.status === 'refused') keep(this.#expected, answer)
    return load
  }

  /** One step of the log with all that was said since the last. Drops and refusals are read before puts. */
  write(): void {
    if (this.#moved.size + this.#put.length + this.#answered.size > 0) this.#append()
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
    for (const answer of this.#expected.values())
      if (answer.audience === audience) this.#answer(answer)
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

  #hear(answer: Answer): void {
    const name = nameOf(answer)
    if (answer.status === 'refused') {
      if (!this.#expected.delete(name)) this.#answer(answer)
      return
    }
    if (!isRefusal(this.#untold.get(name)) || this.#expected.has(name)) return
    // The refusal is no longer the last word: the put says the one, a drop the other.
    if (answer.status === 'ended') this.#answer([answer.audience, answer.decision])
    else this.#forgetAnswer(name)
  }

  #forgetAnswer(name: string): void {
    this.#answered.delete(name)
    this.#untold.delete(name)
  }

  #answer(one: Dropped | Answer): void {
    this.#answered.set(nameOf(one), one)
    keep(this.#untold, one)
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
    if (this.#pause > 0 && this.#on.local().uptime < this.#resume) return false
    const { drop, refused } = apart(this.#untold.values())
    const clock = this.#clockMark()
    try {
      this.#on.memory.rewrite(clock, this.#standings, claims, drop, refused)
    } catch (error) {
      this.#rest(error)
      return false
    }
    this.#taken()
    return true
  }

  /** Everything is on the disk. */
  #taken(): void {
    clearTimeout(this.#retry)
    const well = this.#torn || this.#pause > 0
    this.#torn = false
    this.#pause = 0
    this.#clear()
    if (well) this.#on.well()
  }

  #append(told = false): void {
    const last = new Map(this.#put.map((claim) => [`${claim.audience} ${claim.decision}`, claim]))
    const put = [...last.values()].filter(
      (claim) => this.#on.wished.get(claim.audience, claim.decision) === claim,
    )
    const standings = [...this.#moved].flatMap((audience) => {
      const standing = this.#standings.get(audience)
      return standing ? [[audience, standing] as const] : []
    })
    const { drop, refused } = apart(this.#answered.values())
    const answers = refused.length > 0 ? { drop, refused } : { drop }
    const step = { clock: this.#clockMark(), standings, put, ...answers }
    if (!this.#torn) this.#tryAppend(told ? { ...step, told } : step)
    if (told) this.#untold = this.#answered
    this.#clear()
  }

  #clear(): void {
    this.#moved = new Set()
    this.#put = []
    this.#answered = new Map()
  }

  #clockMark(): ClockMark {
    return { at: this.#on.clock.now(), ...this.#on.local() }
  }

  #tryAppend(step: Step): void {
    try {
      this.#on.memory.append(step)
    } catch (error) {
      this.#torn = true
      this.#on.trouble(refusal(error))
    }
  }

  /** Each time twice as long; then it is tried again also when nothing happens. */
  #rest(error: unknown): void {
    this.#pause = Math.min(pauseMs.longest, Math.max(pauseMs.first, this.#pause * 2))
    this.#resume = this.#on.local().uptime + this.#pause
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => {
      this.#resume = Number.NEGATIVE_INFINITY
      if (!this.#on.memory.closed) this.write()
    }, this.#pause).unref()
    this.#on.trouble(refusal(error))
  }
}

function isRefusal(one: Dropped | Answer | undefined): boolean {
  return one !== undefined && 'status' in one
}

/** The last word about a decision is the newest of all. */
function keep<One extends Dropped | Answer>(among: Map<string, One>, one: One): void {
  among.delete(nameOf(one))
  among.set(nameOf(one), one)
  if (among.size > mostUntold) for (const first of among.keys()) return void among.delete(first)
}

function refusal(error: unknown): Problem {
  if (error instanceof Problem) return error
  const why = error instanceof Error ? error.message : String(error)
  return new Problem(
    'store_unavailable',
    `the state folder does not take what is to be kept: ${why}`,
    {
      remedy:
        'free space on its disk, or make it writable; everything is enforced, and written when it can be',
      cause: error,
    },
  )
}

function* replaced(
  all: Iterable<Claim>,
  audience: string,
  claims: readonly Claim[],
): Generator<Claim> {
  for (const claim of all) if (claim.audience !== audience) yield claim
  yield* claims
}
