/** Brings the kernel to what is wished and says so only after it has confirmed. */
import { printable } from '#contract/printable.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import type { Answer, Differences } from './differences.ts'
import type { Protected } from './guard.ts'
import type { Change, Firewall, ScopedElement } from './kernel/firewall.ts'
import { nameOf } from './memory.ts'
import { puts } from './plan.ts'
import { identityOf } from './scope.ts'
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
  now(): number
  here(): readonly Protected[]
  report(answers: readonly Answer[]): void
  /** Called when the kernel begins to refuse (with the reason) and when it takes again (undefined). */
  health(problem: Problem | undefined): void
  /** A change found the table gone, and with it what is in no claim. All claims are there again. */
  emptied(): void
}

type Asked = { everything: boolean; protect?: boolean; scopedAgain?: boolean }

export class Settler {
  readonly #on: SettleOn
  /** By decision, the newest answer of each. */
  #owed = new Map<string, Answer>()
  #problem: Problem | undefined
  /** Of the orders that are more than a plain block alone: plain blocks go on. */
  #scopedProblem: Problem | undefined
  /** What of them the kernel took last; undefined before, as nothing is known of what an earlier process left there. */
  #taken: ReadonlySet<string> | undefined
  /** While it refuses some of them: what was lifted is out of it all the same. */
  #letGo = false
  #gone = false

  constructor(on: SettleOn) {
    this.#on = on
  }

  /** Why the kernel does not hold what is wished, if it does not. */
  get problem(): Problem | undefined {
    return this.#problem ?? this.#scopedProblem
  }

  /** Plain blocks are in force, and only what is more than that is not. */
  get refusesScoped(): boolean {
    return this.#problem === undefined && this.#scopedProblem !== undefined
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
    const { changes, scoped, answers } = this.#on.differences.take(this.#on.now())
    const again = scopedAgain === true && this.refusesScoped
    this.#problem = await this.#bring(changes, scoped || again, everything, protect === true)
    if (this.#problem) this.#postpone(answers, this.#problem)
    else if (this.#scopedProblem) this.#confirmCertain(answers, this.#scopedProblem)
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
    everything: boolean,
    protect: boolean,
  ): Promise<Problem | undefined> {
    if (!everything && this.#problem) return this.#problem
    const { firewall } = this.#on
    if (!everything) {
      const problem = await tried(async () => {
        if (protect) await this.#protect()
        if (changes.length > 0) await firewall.apply(changes)
      })
      if (!problem && scoped) await this.#bringScoped()
      if (!problem) return undefined
    }
    // After a refusal nothing is known of what the kernel holds.
    return tried(async () => {
      const empty = await firewall.prepare()
      this.#gone = empty
      if (empty) this.#taken ??= new Set()
      await this.#protect()
      // Before the rest, with which a table of another version is made anew.
      await this.#bringScoped()
      const elements = puts(this.#on.wished.elements(), this.#on.now())
      // Where nothing is, nothing can be missing: many small transactions are ten times as fast as a large one.
      await (empty ? firewall.apply(elements) : firewall.replace(elements))
      if (empty && !everything) this.#on.emptied()
    })
  }

  /** A kernel that refuses these must not keep plain blocks out, nor what is new among them keep in what was lifted. */
  async #bringScoped(): Promise<void> {
    const { firewall, wished, now } = this.#on
    const elements = wished.scopes.elements()
    const bring = (some: readonly ScopedElement[]) => tried(() => firewall.setScoped(some, now()))
    this.#scopedProblem = await bring(elements)
    this.#letGo = false
    if (!this.#scopedProblem) this.#taken = new Set(elements.map(identityOf))
    else if (this.#taken) {
      const known = this.#taken
      const taken = elements.filter((element) => known.has(identityOf(element)))
      if (taken.length < elements.length) this.#letGo = (await bring(taken)) === undefined
    }
  }

  /** Plain blocks are in force; what else is said may be about what was refused, and waits with it. */
  #confirmCertain(answers: readonly Answer[], problem: Problem): void {
    const certain = ({ audience, decision, status }: Answer) => {
      const claim = this.#on.wished.get(audience, decision)
      return claim ? !claim.scoped : this.#letGo && status === 'ended'
    }
    const owed = [...this.#owed.values()].filter(certain)
    for (const answer of owed) this.#owed.delete(nameOf(answer))
    this.#postpone(
      answers.filter((answer) => !certain(answer)),
      problem,
    )
    this.#say([...owed, ...answers.filter(certain)])
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
  #postpone(answers: readonly Answer[], problem: Problem): void {
    const { code } = problem
    const detail = printable(problem.message, 300)
    const now: Answer[] = []
    for (const answer of answers) {
      this.#owed.delete(nameOf(answer))
      if (answer.status === 'refused') now.push(answer)
      else this.#owed.set(nameOf(answer), answer)
      if (answer.status === 'applied') now.push({ ...answer, status: 'failed', code, detail })
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
    return this.#on.wished.get(audience, decision) !== undefined
  }
}

/** No kernel holds anything of a dry run, and nobody shall be told that one does. */
function planned(answer: Answer): Answer {
  return answer.status === 'applied' ? { ...answer, status: 'planned' } : answer
}

async function tried(act: () => Promise<void>): Promise<Problem | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    return toProblem(error)
  }
}
