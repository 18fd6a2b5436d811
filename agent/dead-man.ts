/**
 * The dead man's switch: a batch after which the node lost its service is taken out for a while. If the service is found
 * again without it, it stays out; if not, something else was the cause, and it goes back.
 */
import type { StandingAction } from '#contract/action.ts'
import { type Address, readAddress } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { NodeEvent } from '#contract/receipt.ts'
import type { AcceptOn } from './accept.ts'
import type { Service } from './connect.ts'
import { DeadManJudge, type DeadManTimes, type Name } from './dead-man-judge.ts'
import { DeadManMemory } from './dead-man-memory.ts'
import { type Answer, refused } from './differences.ts'
import type { Claim } from './wished.ts'

export type DeadManOn = {
  folder: string
  times: DeadManTimes
  /** Asked for when it is needed. */
  accept(): AcceptOn
  /** What is wished was changed: the kernel is to follow. */
  changed(): void
  /** Asks the service over a connection of its own. Throws when there is no answer. */
  ask(withinMs: number): Promise<void>
  now(): number
  monotonic(): number
  event(kind: NodeEvent['kind'], detail: string): void
  /** One line for the log of the node, which can be read while the service cannot be reached. */
  say(line: string): void
  /** The disk refuses what must not be forgotten, or takes it again. */
  trouble(problem: Problem | undefined): void
  /** The whole state of the audience is needed: what was taken out before a restart is not remembered. */
  need(audience: string): void
}

/** `setTimeout` takes no time beyond all bounds. */
const longestTimer = 3_600_000

export class DeadMan {
  readonly #on: DeadManOn
  readonly #judge: DeadManJudge
  readonly #memory: DeadManMemory
  readonly #off: boolean
  #out: readonly Claim[] = []
  #timer: NodeJS.Timeout | undefined
  /** By the disk. */
  #refused = false
  /** Before, what a batch is suspected of since an earlier start stays as it is on the disk. */
  #running = false

  /** A time of 0 turns it off. */
  constructor(on: DeadManOn) {
    this.#on = on
    this.#off = on.times.windowMs === 0 || on.times.afterMs === 0
    this.#judge = new DeadManJudge(on.times)
    this.#memory = new DeadManMemory(on.folder)
  }

  /** When the kernel holds what is remembered: what was suspected before a restart is suspected still. */
  start(): void {
    if (this.#off) return
    this.#running = true
    const { wished } = this.#on.accept()
    const { suspected } = this.#memory
    const isThere = ([audience, decision]: Name) => wished.has(audience, decision)
    const gone = suspected.filter((name) => !isThere(name))
    for (const audience of new Set(gone.map(([one]) => one))) this.#on.need(audience)
    this.#judge.resume(suspected.filter(isThere), this.#on.monotonic())
    this.#turn()
  }

  stop(): void {
    this.#running = false
    clearTimeout(this.#timer)
  }

  /** The kernel has confirmed these. */
  applied(answers: readonly Answer[]): void {
    if (this.#off) return
    this.#judge.applied(namesOf(answers), this.#on.monotonic())
    this.#turn()
  }

  /** The stream is not there. */
  lost(): void {
    this.#judge.missed(this.#on.monotonic())
    this.#turn()
  }

  /** The service, whose answers tell that the way to it is whole. */
  watching(service: Service): Service {
    return {
      ask: (method, path, more) => this.#heed(service.ask(method, path, more)),
      text: (path) => this.#heed(service.text(path)),
      stream: (path, more) => this.#heed(service.stream(path, more)),
      close: () => service.close(),
    }
  }

  /** Why an order is refused that nothing else speaks against: with it, or with its like, the node was cut off. */
  refusal(order: StandingAction, target: Address): Problem | undefined {
    const known = !this.#off && this.#memory.knows(order.decision, target, this.#on.now())
    return known ? cutOff() : undefined
  }

  async #heed<Result>(answer: Promise<Result>): Promise<Result> {
    const began = this.#on.monotonic()
    try {
      const result = await answer
      this.#judge.answered(began)
      return result
    } catch (error) {
      if (isSilence(error)) this.#judge.missed(began)
      else this.#judge.answered(began)
      throw error
    } finally {
      this.#turn()
    }
  }

  async #ask(): Promise<void> {
    try {
      await this.#heed(this.#on.ask(this.#judge.answerMs))
    } catch {
      // That there was no answer is what was asked.
    } finally {
      this.#judge.asked()
      this.#turn()
    }
  }

  #turn(): void {
    if (this.#off || !this.#running) return
    clearTimeout(this.#timer)
    for (;;) {
      const deed = this.#judge.next(this.#on.monotonic())
      this.#write(() => this.#memory.suspect(this.#judge.doubtful ? this.#judge.suspected : []))
      if (deed.do === 'wait') {
        this.#wait(deed.ms)
        return
      }
      if (deed.do === 'ask') void this.#ask()
      else if (deed.do === 'take_out') this.#takeOut(deed.names)
      else if (deed.do === 'put_back') this.#putBack()
      else this.#refuse()
    }
  }

  #wait(ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) return
    const soon = Math.min(longestTimer, Math.max(1, ms))
    this.#timer = setTimeout(() => this.#turn(), soon).unref()
  }

  #takeOut(names: readonly Name[]): void {
    const { wished, differences } = this.#on.accept()
    this.#out = names.flatMap(
      ([audience, decision]) => wished.remove(audience, decision, differences.note) ?? [],
    )
    this.#on.say(
      `the service was lost after these were applied, out for a while: ${described(this.#out)}`,
    )
    this.#on.changed()
  }

  #putBack(): void {
    const { wished, differences, record } = this.#on.accept()
    const now = this.#on.now()
    for (const claim of this.#out) {
      if (claim.end <= now || wished.has(claim.audience, claim.decision)) continue
      wished.add(claim, readAddress(claim.target), differences.note)
      record.put(claim)
    }
    const what = described(this.#out)
    this.#out = []
    this.#tell('put_back', `without ${what} the service did not come back either: again in force`)
    this.#on.changed()
  }

  #refuse(): void {
    const { wished, differences, record } = this.#on.accept()
    const out = this.#out.filter(({ audience, decision }) => !wished.has(audience, decision))
    this.#out = []
    for (const { audience, decision } of out) {
      const { epoch, seq } = record.standing(audience) ?? { epoch: 1, seq: 0 }
      record.drop(audience, decision)
      differences.owe(refused({ audience, epoch, seq, decision }, cutOff()))
    }
    const alone = out.length === 1
    const known = out.map(({ audience, decision, end, target }) => ({
      ...{ audience, decision, end },
      ...(alone ? { target } : {}),
    }))
    this.#write(() => this.#memory.remember(known, this.#on.now()))
    this.#tell('cut_off', `without ${described(out)} the service was found again: it stays out`)
    this.#on.changed()
  }

  #tell(kind: NodeEvent['kind'], detail: string): void {
    this.#on.say(detail)
    this.#on.event(kind, detail)
  }

  #write(act: () => void): void {
    try {
      act()
      if (this.#refused) this.#on.trouble(undefined)
      this.#refused = false
    } catch (error) {
      this.#refused = true
      this.#on.trouble(toProblem(error))
    }
  }
}

function* namesOf(answers: readonly Answer[]): Generator<Name> {
  for (const { audience, decision, status } of answers)
    if (status === 'applied') yield [audience, decision]
}

/** What says something, whatever it says, was reached. */
function isSilence(error: unknown): boolean {
  const { code } = toProblem(error)
  return code === 'service_unreachable' || code === 'untrusted_service' || code === 'internal'
}

function cutOff(): Problem {
  return new Problem('cut_off', 'the service was lost with this, and found again without it', {
    remedy:
      'block what does not carry the way to the service; dead_man_after=0 on this node takes it all the same',
  })
}

function described(claims: readonly Claim[]): string {
  const shown = claims.slice(0, 5).map(({ decision, target }) => `${decision} (${target})`)
  const more = claims.length > shown.length ? ` and ${claims.length - shown.length} more` : ''
  return `${shown.join(', ')}${more}`
}
