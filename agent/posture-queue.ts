/**
 * The newest statement of each audience, one after the other, so that it is known which version failed; and again what
 * may not fail a second time.
 */
import type { PostureClaims } from '#contract/posture.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import type { PostureMemory } from './posture-memory.ts'

export type PostureQueueOn = {
  memory: PostureMemory
  audiences(): ReadonlySet<string>
  /** Resolves after the time or when it is stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
  /** Throws what can be tried again. */
  bring(claims: PostureClaims): Promise<void>
  failed(claims: PostureClaims, problem: Problem): void
}

/** What the disk, the kernel or the connection refused is tried again. */
const retryMs = { first: 2_000, longest: 5 * 60_000 }

export class PostureQueue {
  readonly #on: PostureQueueOn
  readonly #stopping = new AbortController()
  /** The newest statement of an audience that was not looked at yet. */
  readonly #wanted = new Map<string, PostureClaims>()
  /** Of the audiences of which one failed: ends the pause before it is tried again. */
  readonly #pauses = new Map<string, AbortController>()
  #working: Promise<void> | undefined
  #retryMs = retryMs.first
  #nudge = new AbortController()

  constructor(on: PostureQueueOn) {
    this.#on = on
  }

  want(claims: PostureClaims): void {
    this.#wanted.set(claims.aud, claims)
    this.#retryMs = retryMs.first
    if (this.#on.memory.trial?.audience === claims.aud) this.hurry()
    this.#work()
  }

  /** Whether a newer statement of the audience waits. */
  has(audience: string): boolean {
    return this.#wanted.has(audience)
  }

  drop(audience: string): void {
    this.#wanted.delete(audience)
  }

  /** What is on trial is not wanted any more. */
  hurry(): void {
    this.#nudge.abort()
    this.#nudge = new AbortController()
  }

  /** Ends the pauses of a trial. */
  get nudge(): AbortSignal {
    return this.#nudge.signal
  }

  /** It may have left the audience meanwhile. */
  follows({ aud }: PostureClaims): boolean {
    return this.#on.audiences().has(aud)
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Resolves when nothing waits. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  /** Resolves when what was under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#nudge.abort()
    await this.#working
  }

  #work(): void {
    this.#working ??= this.#workAll().finally(() => {
      this.#working = undefined
      if (this.#wanted.size > 0 && !this.stopped) this.#work()
    })
  }

  async #workAll(): Promise<void> {
    for (let next = this.#next(); next && !this.stopped; next = this.#next()) {
      this.#wanted.delete(next.aud)
      if (this.#isOld(next) || !this.follows(next)) continue
      try {
        await this.#on.bring(next)
      } catch (error) {
        this.#failed(next, toProblem(error))
      }
    }
  }

  #next(): PostureClaims | undefined {
    return this.#wanted.values().next().value
  }

  /** It was answered already, and not by a failure that may pass. */
  #isOld({ aud, version }: PostureClaims): boolean {
    const said = this.#on.memory.answers.get(aud)
    return said?.version === version && said.status !== 'failed' && said.status !== 'trying'
  }

  #failed(claims: PostureClaims, problem: Problem): void {
    if (this.stopped || !this.follows(claims)) return
    this.#on.failed(claims, problem)
    void this.#tryLater(claims)
  }

  /** Each connection brings it anew, and it may fail anew: what waited for its turn till then waits no more. */
  async #tryLater(claims: PostureClaims): Promise<void> {
    const wait = this.#retryMs
    this.#retryMs = Math.min(retryMs.longest, wait * 2)
    const own = new AbortController()
    this.#pauses.get(claims.aud)?.abort()
    this.#pauses.set(claims.aud, own)
    await this.#on.pause(wait, AbortSignal.any([this.#stopping.signal, own.signal]))
    if (own.signal.aborted) return
    this.#pauses.delete(claims.aud)
    const said = this.#on.memory.answers.get(claims.aud)
    const still = said?.version === claims.version && said.status === 'failed'
    if (this.stopped || !still || this.#wanted.has(claims.aud)) return
    this.#wanted.set(claims.aud, claims)
    this.#work()
  }
}
