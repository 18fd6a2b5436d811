/**
 * From a signed envelope to the kernel and back to an answer. One round takes all that waits, so that a batch
 * grows by itself while disk or kernel is busy, and an idle node enforces at once.
 */
import type { EnvelopeClaims } from '#contract/envelope.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import {
  type AcceptOn,
  acceptEnds,
  acceptEnvelope,
  acceptLinks,
  type Load,
  placeOf,
} from './accept.ts'
import { Differences } from './differences.ts'
import { verifyOrLearn } from './learn.ts'
import { LinkNotes } from './link-notes.ts'
import { Loads } from './loads.ts'
import { type SettleOn, Settler } from './settle.ts'
import type { Trust } from './signature.ts'
import { readEnvelope, refuseUnfit } from './verify.ts'

export type EnforceOn = Omit<
  AcceptOn & SettleOn,
  'differences' | 'expresses' | 'place' | 'notes'
> & {
  trust(): Trust
  audiences(): ReadonlySet<string>
  /** A key that is not trusted signed something: ask the service for announcements. */
  learnKeys(): Promise<void>
  /** Its whole state is on the way, and the stream goes on after it. */
  waiting(audience: string): boolean
  /** The stream cannot go on for this audience: its whole state is needed. */
  lost(audience: string, problem: Problem): void
  /** What came over the stream is not from the service, or not for this node. */
  distrust(problem: Problem): void
  /** The service proved itself: something new that it signed was taken. */
  taken(audience: string): void
  /** Something is about to end, by its time or because it is `lifted`. Never throws. */
  ending?(lifted: boolean): Promise<void>
}

const longestTimer = 3_600_000
/** What the kernel refused beyond plain blocks is tried again by itself, and nothing else with it. */
const againMs = { first: 2_000, longest: 60_000 }

export class Enforcer {
  readonly #on: EnforceOn
  readonly #accept: AcceptOn
  readonly #settler: Settler
  readonly #loads: Loads
  #envelopes: string[] = []
  #everything = false
  #protect = false
  #changed = false
  #scopedAgain = false
  #againMs = againMs.first
  #again: NodeJS.Timeout | undefined
  #working: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(on: EnforceOn) {
    const differences = new Differences(on.wished, (answer) => on.record.hear(answer))
    this.#on = on
    const { expresses } = on.firewall
    this.#accept = { ...on, differences, expresses, notes: new LinkNotes() }
    this.#loads = new Loads(this.#accept)
    const place = (audience: string) => placeOf(this.#accept, audience)
    this.#settler = new Settler({ ...on, differences, place })
  }

  /** Why the kernel does not hold what is wished, if it does not. */
  get problem(): Problem | undefined {
    return this.#settler.problem
  }

  /** Plain blocks are in force, and only what is more than that is not; it is tried again without being asked. */
  get refusesScoped(): boolean {
    return this.#settler.refusesScoped
  }

  /** There was no table when everything was brought last. */
  get gone(): boolean {
    return this.#settler.gone
  }

  /** The kernel holds what is wished, and every answer was given to the report. */
  get idle(): boolean {
    return this.#working === undefined && this.problem === undefined
  }

  /** A whole state is being enforced, step by step. */
  get loading(): boolean {
    return this.#loads.pending
  }

  get accepting(): AcceptOn {
    return this.#accept
  }

  /** An envelope as it came. */
  take(jws: string): void {
    this.#envelopes.push(jws)
    this.wake()
  }

  /** What waits is dropped: the stream will bring it again from where the node stands. */
  discard(): void {
    this.#envelopes = []
  }

  /** Resolves when the whole state is in the kernel, or the kernel has refused it. */
  load(load: Load): Promise<void> {
    this.#on.record.expect(load.answers)
    this.#loads.add(load)
    this.wake()
    return this.settled()
  }

  /** What must not be blocked has changed. */
  protect(): Promise<void> {
    this.#protect = true
    this.wake()
    return this.settled()
  }

  /** What is wished was changed by others than an order. */
  changed(): Promise<void> {
    this.#changed = true
    this.wake()
    return this.settled()
  }

  /** The interfaces of this node may have changed: of orders that name them something else may be to be said. */
  lookAtLinks(): void {
    if (acceptLinks(this.#accept)) void this.changed()
  }

  /** Mends the table and puts everything into it anew. Resolves when it was tried; `problem` tells how it went. */
  replace(): Promise<void> {
    this.#everything = true
    this.wake()
    return this.settled()
  }

  /** Looks at what waits and at what has ended. */
  wake(): void {
    if (this.#stopped) return
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
      // What came while the last round was ending has not had its turn.
      if (this.#waiting) this.wake()
      else this.#sleep()
    })
  }

  /** Resolves when nothing waits. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  /** What is under way is finished; what is in the kernel stays there. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#again)
    await this.settled()
  }

  async #work(): Promise<void> {
    await this.#round()
    while (!this.#stopped && this.#waiting) await this.#round()
  }

  get #waiting(): boolean {
    return (
      this.#envelopes.length > 0 ||
      this.#loads.pending ||
      this.#everything ||
      this.#protect ||
      this.#changed ||
      this.#scopedAgain
    )
  }

  async #round(): Promise<void> {
    if (this.#hasTimeToCount) await this.#on.ending?.(false)
    acceptEnds(this.#accept)
    const waiting = this.#envelopes
    this.#envelopes = []
    for (const jws of waiting) await this.#takeEnvelope(jws)
    this.#loads.take()
    this.#on.record.write()
    const asked = {
      everything: this.#everything,
      protect: this.#protect,
      scopedAgain: this.#scopedAgain,
    }
    this.#everything = this.#protect = this.#changed = this.#scopedAgain = false
    const settled = this.#settler.settle(asked)
    if (this.#loads.pending && (await this.#loads.takeBeside(settled))) this.#changed = true
    await settled
    if (this.#settler.searchesScoped) this.#scopedAgain = true
    else this.#tryAgain()
  }

  /** The kernel let go by itself: what waits to be enforced goes first, and what ended then tells what was counted last. */
  get #hasTimeToCount(): boolean {
    const { wished, now } = this.#on
    if (this.#envelopes.length > 0) return false
    return (wished.nextEnd() ?? Number.POSITIVE_INFINITY) <= now()
  }

  #tryAgain(): void {
    if (!this.refusesScoped) {
      this.#againMs = againMs.first
      return
    }
    if (this.#settler.gainedScoped) this.#againMs = againMs.first
    if (this.#again || this.#stopped) return
    this.#again = setTimeout(() => {
      this.#again = undefined
      this.#scopedAgain = true
      this.wake()
    }, this.#againMs).unref()
    this.#againMs = Math.min(againMs.longest, this.#againMs * 2)
  }

  async #takeEnvelope(jws: string): Promise<void> {
    try {
      const claims = await this.#read(jws)
      if (claims.actions.some(lifts)) await this.#on.ending?.(true)
      this.#place(claims, jws)
    } catch (error) {
      this.#on.distrust(toProblem(error))
    }
  }

  #read(jws: string): Promise<EnvelopeClaims> {
    const { trust, learnKeys } = this.#on
    return verifyOrLearn(() => readEnvelope(jws, trust()), learnKeys)
  }

  #place(claims: EnvelopeClaims, jws: string): void {
    const { audiences, record, now, waiting } = this.#on
    if (waiting(claims.aud)) return
    try {
      refuseUnfit(claims, audiences(), record.standing(claims.aud), now())
    } catch (error) {
      this.#unfit(claims.aud, toProblem(error))
      return
    }
    acceptEnvelope(this.#accept, claims, jws)
    this.#on.taken(claims.aud)
  }

  #unfit(audience: string, problem: Problem): void {
    if (problem.code === 'envelope_replayed') return
    if (problem.code === 'envelope_audience') this.#on.distrust(problem)
    else this.#on.lost(audience, problem)
  }

  #sleep(): void {
    clearTimeout(this.#timer)
    const end = this.#on.wished.nextEnd()
    if (end === undefined || this.#stopped) return
    const wait = Math.min(longestTimer, Math.max(1, end - this.#on.now() + 1))
    this.#timer = setTimeout(() => this.wake(), wait).unref()
  }
}

function lifts(action: unknown): boolean {
  return (
    typeof action === 'object' && action !== null && 'action' in action && action.action === 'lift'
  )
}
