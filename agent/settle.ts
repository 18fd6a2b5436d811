/** Brings the kernel to what is wished and says so only after it has confirmed. */
import { printable } from '#contract/printable.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import type { Answer, Differences, Place } from './differences.ts'
import type { Protected } from './guard.ts'
import type { Change, Firewall } from './kernel/firewall.ts'
import { nameOf } from './memory.ts'
import { puts } from './plan.ts'
import type { Recorder } from './record.ts'
import { ScopedSettler } from './settle-scoped.ts'
import type { Wished } from './wished.ts'

/**
 * A kernel that refuses for long lets go of decisions without being able to say so; of that the oldest is given up
 * first. What is in force is always answered.
 */
const mostEnded = 100_000

export type SettleOn = {
  firewall: Firewall
  wished: Wished
  differences: Differences
  record: Pick<Recorder, 'leftOut' | 'leaveOut'>
  now(): number
  here(): readonly Protected[]
  /** Where the node stands in the sequence of the audience. */
  place(audience: string): Place
  report(answers: readonly Answer[]): void
  /** Called when the kernel begins to refuse (with the reason) and when it takes again (undefined). */
  health(problem: Problem | undefined): void
  /** What is allowed may have changed. */
  allowed?(): void
  /** A change found the table gone, and with it what is in no claim. All claims are there again. */
  emptied(): void
}

type Asked = { everything: boolean; protect?: boolean; scopedAgain?: boolean }

export class Settler {
  readonly #on: SettleOn
  /** By decision, the newest answer of each. */
  #owed = new Map<string, Answer>()
  #problem: Problem | undefined
  readonly #scoped: ScopedSettler
  /** Answers that wait until it is found out which orders the kernel refuses. */
  #later: Answer[] = []
  #gone = false

  constructor(on: SettleOn) {
    this.#on = on
    this.#scoped = new ScopedSettler(on)
  }

  /** Why the kernel does not hold what is wished, if it does not. */
  get problem(): Problem | undefined {
    return this.#problem ?? this.#scoped.problem
  }

  /** Plain blocks are in force, and only of what is more than that something is not. */
  get refusesScoped(): boolean {
    return this.#problem === undefined && this.#scoped.problem !== undefined
  }

  /** More of what is beyond plain blocks is to be tried at once. */
  get searchesScoped(): boolean {
    return this.#problem === undefined && this.#scoped.searching
  }

  /** Of what was refused beyond plain blocks some was taken the last time. */
  get gainedScoped(): boolean {
    return this.#scoped.gained
  }

  /** There was no table when everything was brought last. */
  get gone(): boolean {
    return this.#gone
  }

  /**
   * The differences, or everything when asked or when the differences fail; what was refused beyond plain blocks is tried
   * again when asked. Never throws.
   */
  async settle({ everything, protect, scopedAgain }: Asked): Promise<void> {
    const before = this.problem
    const { changes, scoped, answers: fresh } = this.#on.differences.take(this.#on.now())
    const answers = this.#withLater(fresh)
    this.#on.allowed?.()
    const again = scopedAgain === true && this.refusesScoped
    const asked = { everything, protect: protect === true, again }
    this.#problem = await this.#bring(changes, scoped || again, asked)
    const problem = this.#problem
    if (problem) this.#postpone(answers, () => problem)
    else if (this.#scoped.problem) this.#confirmCertain(answers, this.#scoped.problem)
    else this.#confirm(answers)
    if ((this.problem === undefined) !== (before === undefined)) this.#on.health(this.problem)
  }

  /** What must never be blocked passes whatever the sets say. Throws `kernel_refused`. */
  async #protect(): Promise<void> {
    await this.#on.firewall.setNever(this.#on.here().map(({ address }) => address))
  }

  async #bring(
    changes: readonly Change[],
    scoped: boolean,
    { everything, protect, again }: { everything: boolean; protect: boolean; again: boolean },
  ): Promise<Problem | undefined> {
    if (!everything && this.#problem) return this.#problem
    const { firewall } = this.#on
    if (!everything) {
      const problem = await tried(async () => {
        if (protect) await this.#protect()
        if (changes.length > 0) await firewall.apply(changes)
      })
      if (!problem && scoped) await this.#scoped.bring(again)
      if (!problem) return undefined
    }
    // After a refusal nothing is known of what the kernel holds.
    return tried(async () => {
      const empty = await firewall.prepare()
      this.#gone = empty
      if (empty) this.#scoped.empty()
      await this.#protect()
      // Before the rest, with which a table of another version is made anew.
      await this.#scoped.bring(true)
      const elements = puts(this.#on.wished.elements(), this.#on.now())
      // Where nothing is, nothing can be missing: many small transactions are ten times as fast as a large one.
      await (empty ? firewall.apply(elements) : firewall.replace(elements))
      if (empty && !everything) this.#on.emptied()
    })
  }

  /** Plain blocks are in force; of what else is said some may be about what was refused, and that waits with it. */
  #confirmCertain(answers: readonly Answer[], problem: Problem): void {
    const claimOf = ({ audience, decision }: Answer) => this.#on.wished.get(audience, decision)
    const isCertain = (answer: Answer) => {
      const claim = claimOf(answer)
      if (!claim) return this.#scoped.letsGo && answer.status === 'ended'
      return !claim.scoped || !(this.#scoped.isOpen(claim) || this.#scoped.problemOf(claim))
    }
    const owed = [...this.#owed.values()].filter(isCertain)
    for (const answer of owed) this.#owed.delete(nameOf(answer))
    const isOpen = (answer: Answer) => {
      const claim = claimOf(answer)
      return claim !== undefined && this.#scoped.isOpen(claim)
    }
    this.#later = answers.filter(isOpen)
    const uncertain = answers.filter((answer) => !isCertain(answer) && !isOpen(answer))
    this.#postpone([...uncertain, ...this.#lost(answers)], (answer) => {
      const claim = claimOf(answer)
      return (claim && this.#scoped.problemOf(claim)) ?? problem
    })
    this.#say([...owed, ...answers.filter(isCertain)])
  }

  /** Those that waited before the new ones, but for what is no longer the last word. */
  #withLater(answers: readonly Answer[]): readonly Answer[] {
    if (this.#later.length === 0) return answers
    const said = new Set(answers.map(nameOf))
    const later = this.#later.filter((answer) => !said.has(nameOf(answer)))
    this.#later = []
    return [...later, ...answers]
  }

  /** They were in force when they were answered, and the kernel has not taken them again. */
  #lost(answers: readonly Answer[]): Answer[] {
    const said = new Set(answers.map(nameOf))
    return [...this.#scoped.out]
      .map(({ audience, decision }): Answer => {
        return { ...this.#on.place(audience), decision, status: 'applied' }
      })
      .filter((answer) => !said.has(nameOf(answer)) && !this.#owed.has(nameOf(answer)))
  }

  #confirm(answers: readonly Answer[]): void {
    this.#say(this.#newest(answers))
  }

  #say(answers: readonly Answer[]): void {
    const current = answers.filter((answer) => answer.status !== 'applied' || this.#claimed(answer))
    if (current.length === 0) return
    this.#on.report(this.#on.firewall.enforcing ? current : current.map(planned))
  }

  /** With what was owed until now. */
  #newest(answers: readonly Answer[]): readonly Answer[] {
    if (this.#owed.size === 0) return answers
    const owed = this.#owed
    this.#owed = new Map()
    for (const answer of answers) owed.set(nameOf(answer), answer)
    return [...owed.values()]
  }

  /** A block that is not in the kernel failed for now; its answer stays owed until the kernel takes again. */
  #postpone(answers: readonly Answer[], problemOf: (answer: Answer) => Problem): void {
    const now: Answer[] = []
    for (const answer of answers) {
      this.#owed.delete(nameOf(answer))
      if (answer.status === 'refused') now.push(answer)
      else this.#owed.set(nameOf(answer), answer)
      if (answer.status === 'applied') now.push(failed(answer, problemOf(answer)))
    }
    this.#giveUp()
    if (now.length > 0) this.#on.report(now)
  }

  /** Half of what may be given up at once, so that looking for it costs little. */
  #giveUp(): void {
    let surplus = this.#owed.size - this.#on.wished.size - mostEnded
    if (surplus <= 0) return
    surplus += mostEnded / 2
    for (const [name, { status }] of this.#owed)
      if (status !== 'applied' && surplus-- > 0) this.#owed.delete(name)
  }

  #claimed({ audience, decision }: Answer): boolean {
    return this.#on.wished.has(audience, decision)
  }
}

/** No kernel holds anything of a dry run, and nobody shall be told that one does. */
function planned(answer: Answer): Answer {
  return answer.status === 'applied' ? { ...answer, status: 'planned' } : answer
}

function failed(answer: Answer, { code, message }: Problem): Answer {
  return { ...answer, status: 'failed', code, detail: printable(message, 300) }
}

async function tried(act: () => Promise<void>): Promise<Problem | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    return toProblem(error)
  }
}
