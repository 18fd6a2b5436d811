/**
 * The standing rules of this node.
 *
 * A signed statement for each audience comes over the stream at each connection and at each change. A new version is written
 * to the disk as one on trial, enforced, and proves itself by a fresh connection over which the service answers. If none
 * does in the time that the statement gives, the node goes back to what it enforced before, in one transaction, and does
 * not try that version again. The kernel holds what was before beside what is on trial, and goes back by itself when the
 * time is over, though the agent died for good meanwhile; one that starts again takes the rest out. A kernel that does not
 * take the gate between them refuses the whole (`failed`, with its words, and tried again): nothing is tried without it.
 * Versions are tried one after the other, so that it is known which one failed. What proved itself is enforced from the
 * disk before there is a network, and stands until it is replaced or the node leaves the audience. See posture-script.ts
 * for what passes whatever was signed.
 */
import type { PostureClaims, PostureReceipt } from '#contract/posture.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Service } from './connect.ts'
import { type AnswersOn, PostureAnswers } from './posture-answers.ts'
import { type FitsOn, isWhole, readHeld } from './posture-fits.ts'
import { type InForceOn, PosturesInForce } from './posture-in-force.ts'
import type { HeldPosture } from './posture-memory.ts'
import { fetchCountries } from './posture-networks.ts'
import { PostureQueue } from './posture-queue.ts'
import { cutShort, type TrialOn } from './posture-trial.ts'
import { Trials } from './posture-trials.ts'
import { Statements, type StatementsOn } from './statement.ts'
import { verifyPosture } from './verify-newest.ts'

export type PosturesOn = AnswersOn &
  FitsOn &
  InForceOn &
  TrialOn &
  StatementsOn & { service: Pick<Service, 'text'> }

export class Postures {
  readonly #on: PosturesOn
  readonly #answers: PostureAnswers
  readonly #inForce: PosturesInForce
  readonly #statements: Statements<PostureClaims>
  readonly #queue: PostureQueue
  readonly #trials: Trials

  constructor(on: PosturesOn) {
    this.#on = on
    this.#answers = new PostureAnswers(on)
    this.#inForce = new PosturesInForce(on, this.#answers)
    this.#queue = new PostureQueue({
      ...{ memory: on.memory, audiences: on.audiences, pause: on.pause },
      bring: (claims) => this.#bring(claims),
      failed: ({ aud: audience, version }, problem) => {
        this.#answers.answer({ audience, version }, 'failed', problem)
        this.#answers.keep()
      },
    })
    this.#trials = new Trials(on, this.#inForce, this.#answers, this.#queue)
    this.#statements = new Statements(on, verifyPosture, {
      accept: (claims) => {
        if (!this.#isOnTrial(claims)) this.#queue.want(claims)
      },
      judged: (problem) => this.#answers.trust(problem),
    })
  }

  /** Enforces what proved itself; what was on trial when the agent ended did not. Never rejects. */
  async begin(): Promise<void> {
    const { memory, audiences } = this.#on
    const { trial } = memory
    const known = [...memory.confirmed.keys(), ...memory.answers.keys()]
    const left = known.filter((one) => !audiences().has(one))
    for (const audience of left) this.#forget(audience)
    const damaged = [...memory.confirmed.values()].filter((held) => !isWhole(held, memory))
    for (const held of damaged) this.#setAside(held)
    // A node that was changed may be able to do now what it refused.
    for (const [audience, { status }] of memory.answers)
      if (status === 'refused') memory.answers.delete(audience)
    memory.trial = undefined
    if (trial && audiences().has(trial.audience))
      this.#answers.answer(
        trial,
        'reverted',
        cutShort('the agent ended before it reached the service'),
      )
    const changed = trial !== undefined || left.length + damaged.length > 0
    if (changed) this.#answers.keep()
    if (changed || memory.confirmed.size > 0 || (await this.#inForce.isStale()))
      await this.#inForce.enforceOrSay()
    this.#inForce.watch()
  }

  /** A statement as it came. Resolves when it was accepted or refused, never rejects. */
  take(jws: string): Promise<void> {
    return this.#statements.take(jws)
  }

  /** The node follows the audience no longer. */
  leave(audience: string): void {
    const { memory } = this.#on
    this.#queue.drop(audience)
    const stood = memory.confirmed.has(audience) || memory.trial?.audience === audience
    if (!stood && !memory.answers.has(audience)) return
    if (memory.trial?.audience === audience) this.#queue.hurry()
    this.#forget(audience)
    this.#answers.keep()
    if (stood) void this.#inForce.enforceOrSay()
  }

  protect(): void {
    this.#inForce.protect()
  }

  allow(): void {
    this.#inForce.allow()
  }

  heal(): void {
    this.#inForce.heal()
  }

  get receipts(): PostureReceipt[] {
    return this.#answers.receipts
  }

  /** Resolves when nothing that has come waits. */
  async settled(): Promise<void> {
    await this.#statements.settled()
    await this.#queue.settled()
    await this.#inForce.settled()
  }

  /** What is on trial stays so on the disk: the next start goes back. */
  async stop(): Promise<void> {
    this.#statements.stop()
    await Promise.all([this.#queue.stop(), this.#inForce.stop()])
    await this.#inForce.settled()
  }

  /** Each connection brings it again. */
  #isOnTrial({ aud, version }: PostureClaims): boolean {
    const { trial } = this.#on.memory
    return trial?.audience === aud && trial.version === version
  }

  /** Throws what can be tried again. */
  async #bring(claims: PostureClaims): Promise<void> {
    const { memory, table, service } = this.#on
    const held = this.#read(claims)
    if (held === undefined) return
    if (held === null) return this.#withdraw(claims)
    await fetchCountries(held.posture, memory, service)
    if (this.#queue.stopped || this.#queue.has(claims.aud) || !this.#queue.follows(claims)) return
    if (table?.enforcing) await this.#trials.attempt(held)
    else await this.#trials.plan(held)
    this.#prune()
  }

  /** Null for none from now on; undefined when it was refused, and that was said. */
  #read(claims: PostureClaims): HeldPosture | null | undefined {
    try {
      return readHeld(claims, this.#on)
    } catch (error) {
      const { aud: audience, version } = claims
      this.#answers.answer({ audience, version }, 'refused', toProblem(error))
      this.#answers.keep()
      return undefined
    }
  }

  async #withdraw({ aud: audience, version }: PostureClaims): Promise<void> {
    const { memory } = this.#on
    memory.confirmed.delete(audience)
    if (memory.trial?.audience === audience) memory.trial = undefined
    memory.keep()
    await this.#inForce.enforce()
    this.#answers.answer(
      { audience, version },
      this.#on.table?.enforcing === false ? 'planned' : 'applied',
    )
    this.#answers.keep()
    this.#prune()
  }

  /** Its networks on the disk are not whole; the service tells it anew at the next connection. */
  #setAside(held: HeldPosture): void {
    this.#on.memory.confirmed.delete(held.audience)
    const problem = new Problem('snapshot_incomplete', 'its networks on the disk are damaged')
    this.#answers.answer(held, 'failed', problem)
  }

  #forget(audience: string): void {
    const { memory } = this.#on
    memory.confirmed.delete(audience)
    this.#answers.forget(audience)
    if (memory.trial?.audience === audience) memory.trial = undefined
  }

  #prune(): void {
    try {
      this.#on.memory.prune()
    } catch {
      // What a disk does not let go of is tried again with the next version, and changes nothing that is in force.
    }
  }
}
