/** Tries a version of the standing rules on this node: it is kept when the service was reached under it, or the node goes back. */
import type { PostureAnswers } from './posture-answers.ts'
import type { PosturesInForce } from './posture-in-force.ts'
import type { HeldPosture, PostureMemory } from './posture-memory.ts'
import type { PostureQueue } from './posture-queue.ts'
import { cutShort, prove, type TrialOn } from './posture-trial.ts'

export class Trials {
  readonly #on: TrialOn & { memory: PostureMemory }
  readonly #inForce: PosturesInForce
  readonly #answers: PostureAnswers
  readonly #queue: PostureQueue

  constructor(
    on: TrialOn & { memory: PostureMemory },
    inForce: PosturesInForce,
    answers: PostureAnswers,
    queue: PostureQueue,
  ) {
    this.#on = on
    this.#inForce = inForce
    this.#answers = answers
    this.#queue = queue
  }

  /** Prints all that would be done, as if the service had answered. */
  async plan(held: HeldPosture): Promise<void> {
    const { memory } = this.#on
    memory.trial = held
    try {
      await this.#inForce.enforce()
      if (memory.trial !== held) return
      await this.#keep(held)
    } finally {
      memory.trial = undefined
    }
    this.#answers.answer(held, 'planned')
    this.#answers.keep()
  }

  /** What is not on the disk as one on trial is not enforced: a start would not know to go back. */
  async attempt(held: HeldPosture): Promise<void> {
    const { memory } = this.#on
    memory.trial = held
    this.#answers.answer(held, 'trying')
    try {
      memory.keep()
      await this.#inForce.enforce()
    } catch (error) {
      memory.trial = undefined
      this.#answers.keep()
      throw error
    }
    const outcome = await this.#prove(held)
    if (outcome === 'stopped') return
    if (outcome === 'reached') return this.#confirm(held)
    memory.trial = undefined
    if (outcome === 'silent') {
      const why = `the service could not be reached within ${held.confirm} s`
      this.#answers.answer(held, 'reverted', cutShort(why))
    }
    this.#answers.keep()
    await this.#inForce.enforceOrSay()
  }

  /** Throws what the kernel refused: it goes back by itself then. */
  async #confirm(held: HeldPosture): Promise<void> {
    try {
      await this.#keep(held)
    } catch (error) {
      this.#answers.keep()
      await this.#inForce.enforceOrSay()
      throw error
    }
    if (this.#on.memory.confirmed.get(held.audience) === held) this.#answers.answer(held, 'applied')
    this.#answers.keep()
  }

  /** From now on it stands in the place of what its audience had; if the kernel refuses, that has its place again. */
  async #keep(held: HeldPosture): Promise<void> {
    const { confirmed } = this.#on.memory
    const stood = confirmed.get(held.audience)
    this.#on.memory.trial = undefined
    confirmed.set(held.audience, held)
    try {
      await this.#inForce.confirm()
    } catch (error) {
      // It may have left the audience meanwhile.
      if (confirmed.get(held.audience) === held) {
        if (stood) confirmed.set(held.audience, stood)
        else confirmed.delete(held.audience)
      }
      throw error
    }
  }

  #prove(held: HeldPosture) {
    const { memory } = this.#on
    return prove(this.#on, {
      until: () => this.#inForce.until,
      judging: () => this.#inForce.judging,
      isNewest: () => memory.trial === held && !this.#queue.has(held.audience),
      stopped: () => this.#queue.stopped,
      nudge: () => this.#queue.nudge,
      receipt: () => this.#answers.receipts.find(({ audience }) => audience === held.audience),
    })
  }
}
