/** Keeps the memory in step with what is wished: each round is written before the kernel hears of it. */
import type { Clock, ClockMark, LocalClock } from './clock.ts'
import type { Dropped, Memory, Standing } from './memory.ts'
import type { Claim, Wished } from './wished.ts'

/** More than this waits for a service that is away only after a mass lift; the oldest is given up first. */
const mostUntold = 100_000

export type RecordOn = {
  memory: Memory
  wished: Wished
  clock: Clock
  local(): LocalClock
  /** The disk refuses. Enforcing goes on: a restart then takes up an older position of the stream. */
  trouble(error: unknown): void
  /** The disk takes again, and holds everything. */
  well(): void
}

export class Recorder {
  readonly #on: RecordOn
  readonly #standings: Map<string, Standing>
  #moved = new Set<string>()
  #put: Claim[] = []
  #drop: Dropped[] = []
  /** What was let go of since the service was last told all: a rewrite must not forget it. */
  #untold: Map<string, Dropped>
  /** A whole state is being taken, so that what is wished is less than what its new position promises. */
  #loading = false
  /** A step is missing in the log: nothing may follow it there, and only a rewrite mends it. */
  #torn = false

  constructor(on: RecordOn, standings: Map<string, Standing>, untold: readonly Dropped[] = []) {
    this.#on = on
    this.#standings = standings
    this.#untold = byName(untold)
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

  drop(audience: string, decision: string): void {
    this.#drop.push([audience, decision])
    this.#untold.set(`${audience} ${decision}`, [audience, decision])
    if (this.#untold.size > mostUntold)
      for (const first of this.#untold.keys()) return void this.#untold.delete(first)
  }

  /** One step of the log with all that was said since the last. Drops are read before puts. */
  write(): void {
    if (this.#moved.size + this.#put.length + this.#drop.length > 0) this.#append()
    if ((this.#torn || this.#on.memory.grown) && !this.#loading)
      this.#save(this.#on.wished.claims())
  }

  /** What time it is now, for a node that boots without a clock, and whether the service was told all until now. */
  mark(told: boolean): void {
    this.#append(told)
    if (this.#torn && !this.#loading) this.#save(this.#on.wished.claims())
  }

  /**
   * The audience's claims become these, in one step that is on the disk when this returns. Until `loaded` is
   * called, what is wished may still lack some of them.
   */
  replace(audience: string, standing: Standing, claims: readonly Claim[]): void {
    this.#standings.set(audience, standing)
    this.#save(replaced(this.#on.wished.claims(), audience, claims))
    this.#loading = true
  }

  /** The audience is followed no longer. */
  forget(audience: string): void {
    this.#standings.delete(audience)
    this.#save(replaced(this.#on.wished.claims(), audience, []))
    this.#loading = true
  }

  /** What is wished is again all that the positions promise. */
  loaded(): void {
    this.#loading = false
  }

  #save(claims: Iterable<Claim>): void {
    const untold = [...this.#untold.values()]
    const torn = this.#torn
    this.#try(() => {
      this.#on.memory.rewrite(this.#clockMark(), this.#standings, claims, untold)
      this.#torn = false
    })
    if (torn && !this.#torn) this.#on.well()
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
    const step = { clock: this.#clockMark(), standings, put, drop: this.#drop }
    if (!this.#torn) this.#try(() => this.#on.memory.append(told ? { ...step, told } : step))
    if (told) this.#untold = byName(this.#drop)
    this.#moved = new Set()
    this.#put = []
    this.#drop = []
  }

  #clockMark(): ClockMark {
    return { at: this.#on.clock.now(), ...this.#on.local() }
  }

  #try(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#torn = true
      this.#on.trouble(error)
    }
  }
}

function byName(dropped: readonly Dropped[]): Map<string, Dropped> {
  return new Map(dropped.map((one) => [one.join(' '), one]))
}

function* replaced(
  all: Iterable<Claim>,
  audience: string,
  claims: readonly Claim[],
): Generator<Claim> {
  for (const claim of all) if (claim.audience !== audience) yield claim
  yield* claims
}
