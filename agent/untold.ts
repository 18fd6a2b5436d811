/**
 * What the service may not have heard of: claims that were let go of and blocks that were refused. Of each decision the
 * last word, so that a restart can say it again.
 */
import type { Answer } from './differences.ts'
import { apart, type Dropped, nameOf } from './memory.ts'

/** More than this waits for a service that is away only after a mass lift; the oldest is given up first. */
const mostUntold = 100_000

type Said = Dropped | Answer

export class Untold {
  /** Since the service was last told all: a rewrite of the log must not forget it. */
  #all: Map<string, Said>
  /** Of it what came since the last step of the log. */
  #news = new Map<string, Said>()
  /** What is refused of a whole state that is on its way: its position must not be written without it. */
  readonly #expected = new Map<string, Answer>()

  /** What the memory held. */
  constructor(remembered: Iterable<Said>) {
    this.#all = new Map([...remembered].map((one) => [nameOf(one), one]))
  }

  get all(): ReturnType<typeof apart> {
    return apart(this.#all.values())
  }

  get news(): ReturnType<typeof apart> {
    return apart(this.#news.values())
  }

  /** Nothing came since the last step. */
  get still(): boolean {
    return this.#news.size === 0
  }

  /** The claim is over. If that is because a newer action was refused, the refusal stays the last word. */
  drop(dropped: Dropped): void {
    if (!isRefusal(this.#news.get(nameOf(dropped)))) this.#say(dropped)
  }

  /** A whole state that will be taken: its refusals are owed only when all of it was, its position is written before. */
  expect(answers: readonly Answer[]): void {
    for (const answer of answers) if (answer.status === 'refused') keep(this.#expected, answer)
  }

  /** The position of the audience's whole state is about to be written. */
  reach(audience: string): void {
    for (const answer of this.#expected.values())
      if (answer.audience === audience) this.#say(answer)
  }

  /** An answer that is owed from now on. */
  hear(answer: Answer): void {
    // A hundred thousand blocks are taken at once, and nothing was said of any of them.
    if (answer.status !== 'refused' && this.#all.size + this.#expected.size === 0) return
    const name = nameOf(answer)
    const known = this.#all.get(name)
    if (known === answer) return
    if (answer.status === 'refused') {
      if (!this.#expected.delete(name)) this.#say(answer)
      return
    }
    if (!isRefusal(known) || this.#expected.has(name)) return
    // The refusal is no longer the last word: the put says the one, a drop the other.
    if (answer.status === 'ended') this.#say([answer.audience, answer.decision])
    else this.#forget(name)
  }

  /** All that is news is in the log. */
  written(): void {
    this.#news = new Map()
  }

  /** The service was told all but what is news. */
  told(): void {
    this.#all = this.#news
  }

  #say(one: Said): void {
    this.#news.set(nameOf(one), one)
    keep(this.#all, one)
  }

  #forget(name: string): void {
    this.#news.delete(name)
    this.#all.delete(name)
  }
}

function isRefusal(one: Said | undefined): boolean {
  return one !== undefined && 'status' in one
}

/** The last word about a decision is the newest of all. */
function keep<One extends Said>(among: Map<string, One>, one: One): void {
  among.delete(nameOf(one))
  among.set(nameOf(one), one)
  if (among.size > mostUntold) for (const first of among.keys()) return void among.delete(first)
}
