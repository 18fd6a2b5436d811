/**
 * Signed statements of which the newest counts for its audience: lists (feeds.ts) and standing rules (posture.ts). Each is
 * verified, under a key that is learnt if need be, and never older than the one before; its version is remembered.
 */
import { type Problem, toProblem } from '#contract/problem.ts'
import { verifyOrLearn } from './learn.ts'
import type { Trust } from './signature.ts'
import type { Verify } from './verify-newest.ts'

export type StatementsOn = {
  trust(): Trust
  learnKeys(): Promise<void>
  audiences(): ReadonlySet<string>
  /** The newest version that was accepted, by audience. */
  memory: { versions: Map<string, number> }
  now(): number
}

export type Accept<Claims> = {
  /** It is the newest of its audience. Who takes it has its version written to the disk. */
  accept(claims: Claims): void
  /** Why the newest that was not merely old was refused, undefined when it was accepted. Told after each. */
  judged(problem: Problem | undefined): void
}

export class Statements<Claims extends { aud: string; version: number }> {
  readonly #on: StatementsOn
  readonly #verify: Verify<Claims>
  readonly #accept: Accept<Claims>
  #last: Promise<void> = Promise.resolve()
  #distrusted: Problem | undefined
  #stopped = false

  constructor(on: StatementsOn, verify: Verify<Claims>, accept: Accept<Claims>) {
    this.#on = on
    this.#verify = verify
    this.#accept = accept
  }

  /** A statement as it came, after those before it. Resolves when it was accepted or refused, never rejects. */
  take(jws: string): Promise<void> {
    this.#last = this.#last.then(() => this.#take(jws))
    return this.#last
  }

  /** Resolves when none waits. */
  settled(): Promise<void> {
    return this.#last
  }

  /** What waits is dropped: the next connection brings it again. */
  stop(): void {
    this.#stopped = true
  }

  async #take(jws: string): Promise<void> {
    if (this.#stopped) return
    try {
      const claims = await this.#read(jws)
      this.#on.memory.versions.set(claims.aud, claims.version)
      this.#accept.accept(claims)
      this.#distrusted = undefined
    } catch (error) {
      const problem = toProblem(error)
      if (problem.code !== 'envelope_replayed') this.#distrusted = problem
    }
    this.#accept.judged(this.#distrusted)
  }

  #read(jws: string): Promise<Claims> {
    const { trust, audiences, memory, now, learnKeys } = this.#on
    const held = (audience: string) => memory.versions.get(audience)
    return verifyOrLearn(() => this.#verify(jws, trust(), audiences(), held, now()), learnKeys)
  }
}
