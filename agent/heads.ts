/** What the service's signed head says of where this node stands: an envelope that was held back shows here. */
import type { Position } from '#contract/audience.ts'
import type { HeadClaims } from '#contract/envelope.ts'
import { Problem, type ProblemCode, toProblem } from '#contract/problem.ts'
import { verifyOrLearn } from './learn.ts'

/** `owed`: envelopes up to the head must be on their way; when they do not come, somebody withholds them. */
export type HeadJudgement = 'fine' | 'owed' | 'fork' | 'epoch'

/** A head behind the node was overtaken by envelopes that were signed after it. */
export function judgeHead(head: HeadClaims, held: Position | undefined): HeadJudgement {
  if (!held) return 'owed'
  if (head.epoch !== held.epoch) return head.epoch > held.epoch ? 'epoch' : 'fine'
  if (head.seq > held.seq) return 'owed'
  return head.seq === held.seq && head.head !== held.hash ? 'fork' : 'fine'
}

/** How long an envelope may take to arrive after the head that counts it. */
export const headGraceMs = 3_000

export type HeadsOn = {
  /** Throws as verifyHead does. */
  verify(jws: string): HeadClaims
  learnKeys(): Promise<void>
  standing(audience: string): Position | undefined
  waiting(audience: string): boolean
  alive(): void
  lost(audience: string, problem: Problem): void
  withheld(audience: string, missing: number): void
  distrust(problem: Problem): void
}

export class Heads {
  readonly #on: HeadsOn
  readonly #owed = new Map<string, NodeJS.Timeout>()

  constructor(on: HeadsOn) {
    this.#on = on
  }

  async take(jws: string): Promise<void> {
    try {
      const head = await this.#read(jws)
      this.#on.alive()
      if (!this.#on.waiting(head.aud)) this.#judge(head)
    } catch (error) {
      this.#on.distrust(toProblem(error))
    }
  }

  stop(): void {
    for (const timer of this.#owed.values()) clearTimeout(timer)
    this.#owed.clear()
  }

  #read(jws: string): Promise<HeadClaims> {
    const { verify, learnKeys } = this.#on
    return verifyOrLearn(() => verify(jws), learnKeys)
  }

  #judge(head: HeadClaims): void {
    const judgement = judgeHead(head, this.#on.standing(head.aud))
    if (judgement === 'fork')
      this.#on.lost(head.aud, otherPast('envelope_fork', 'its head is not the one that is held'))
    else if (judgement === 'epoch')
      this.#on.lost(head.aud, otherPast('envelope_epoch', 'it is in a later epoch'))
    else if (judgement === 'owed' && !this.#owed.has(head.aud)) this.#wait(head)
  }

  #wait(head: HeadClaims): void {
    const timer = setTimeout(() => {
      this.#owed.delete(head.aud)
      const held = this.#on.standing(head.aud)
      if (this.#on.waiting(head.aud) || judgeHead(head, held) !== 'owed') return
      this.#on.withheld(head.aud, head.seq - (held?.seq ?? 0))
    }, headGraceMs)
    this.#owed.set(head.aud, timer.unref())
  }
}

function otherPast(code: ProblemCode, message: string): Problem {
  return new Problem(code, message, { remedy: 'the node asks for the whole state by itself' })
}
