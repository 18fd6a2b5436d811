/** How this node stands to its standing rules: what it answers the service, and what is the matter with them. */
import type { PostureReceipt } from '#contract/posture.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import type { Answer, HeldPosture, PostureMemory } from './posture-memory.ts'
import { nextRules } from './posture-time.ts'

export type AnswersOn = {
  memory: PostureMemory
  table: PostureTable | undefined
  now(): number
  /** What is the matter, undefined when nothing is. */
  health(problem: Problem | undefined): void
  /** There is news for the service. */
  changed(): void
}

export class PostureAnswers {
  readonly #on: AnswersOn
  #distrusted: Problem | undefined
  #unpassed: Problem | undefined
  #refused: Problem | undefined

  constructor(on: AnswersOn) {
    this.#on = on
  }

  get receipts(): PostureReceipt[] {
    const { memory, table, now } = this.#on
    const standing = new Map(memory.standing.map((one) => [one.audience, one]))
    return [...memory.answers.values()].map((answer) => {
      const held = standing.get(answer.audience)
      const next = held && nextRules([held.posture], now())
      return {
        ...answer,
        // A dry run enforces nothing.
        in_force: (table?.enforcing && held?.version) || 0,
        ...(next === undefined ? {} : { next_change: next }),
      }
    })
  }

  /** The kernel or the disk refused, and that was not put right yet. */
  get refused(): boolean {
    return this.#refused !== undefined
  }

  answer(
    { audience, version }: Pick<HeldPosture, 'audience' | 'version'>,
    status: Answer['status'],
    problem?: Problem,
  ): void {
    const { answers } = this.#on.memory
    const said = answers.get(audience)
    const same = said?.version === version && said.status === status
    answers.set(audience, {
      audience,
      version,
      status,
      at: same ? said.at : this.#on.now(),
      ...(problem && { code: problem.code, detail: printable(problem.message, 300) }),
    })
    this.#tellHealth()
    if (!same) this.#on.changed()
  }

  forget(audience: string): void {
    this.#on.memory.answers.delete(audience)
    this.#tellHealth()
  }

  /** What became of the newest statement that came. */
  trust(problem: Problem | undefined): void {
    this.#distrusted = problem
    this.#tellHealth()
  }

  /** `unpassed`: why those who are allowed do not pass the rules that are in force. */
  enforced(unpassed?: Problem): void {
    this.#refused = undefined
    this.#unpassed = unpassed
    this.#tellHealth()
  }

  /** Who is allowed passes again. */
  passed(): void {
    this.#unpassed = undefined
    this.#tellHealth()
  }

  readonly say = (error: unknown): void => {
    this.#refused = toProblem(error)
    this.#tellHealth()
  }

  keep(): void {
    try {
      this.#on.memory.keep()
    } catch (error) {
      this.say(error)
    }
  }

  #tellHealth(): void {
    const unwell = [...this.#on.memory.answers.values()].find(({ code }) => code !== undefined)
    const told =
      unwell &&
      new Problem(
        'conflict',
        `${unwell.audience} version of ${printTime(unwell.version)}: ${unwell.detail}`,
        {
          remedy: '"cordon posture list" shows how each node stands to its standing rules',
        },
      )
    this.#on.health(this.#refused ?? this.#distrusted ?? told ?? this.#unpassed)
  }
}
