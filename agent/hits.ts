/** Which decisions still stop something: the kernel's counters, told by the decisions that they count for. */
import { setTimeout as sleep } from 'node:timers/promises'
import { maybeAddress } from '#contract/address.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { type DecisionHits, mostHits } from '#contract/receipt.ts'
import type { Answer } from './differences.ts'
import type { Firewall, Hit, ScopedHit } from './kernel/firewall.ts'
import { nameOf } from './memory.ts'
import { goes } from './plan.ts'
import type { Claim, Wished } from './wished.ts'

export type HitsOn = {
  firewall: Pick<Firewall, 'hits' | 'scopedHits' | 'enforcing'>
  wished: Wished
  now(): number
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** Why it cannot be told, or that it can again. Blocks are not touched by that. */
  health(problem: Problem | undefined): void
}

/** Often enough to tell who goes on, and no load: reading costs a few ms, by nft a second when tens of thousands hit. */
const everyMs = 15_000
/** Of the time about one part in this many goes into reading, by the quicker of the last two looks. */
const share = 50
/** The same while somebody lifts. */
const shareOfLifts = 5
/** Between the clocks of kernel and process. */
const slackMs = 1_000
/** What is about to end waits no longer to be counted once more. */
const mostWaitMs = 500
/** Decisions that are over and whose last word nobody has asked for; the oldest is given up first. */
const mostOver = 10_000

type Count = { claim: Claim; packets: number; last: number; told: number }

export class Hits {
  readonly #on: HitsOn
  /** By side and address, as read last. */
  #read: ReadonlyMap<string, Hit> = new Map()
  /** When it was read last, or there was nothing to read. */
  #readAt: number
  /** When it was read last, and how long that took. */
  #lastRead = { at: Number.NEGATIVE_INFINITY, took: 0 }
  #failing = false
  readonly #counts = new Map<string, Count>()
  /** Of decisions that are no longer wished, until their last word is said. */
  readonly #over = new Map<string, Count>()
  #reading: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(on: HitsOn) {
    this.#on = on
    this.#readAt = on.monotonic()
  }

  /** Reads now and again and again. */
  begin(): void {
    this.#later(everyMs)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#reading
  }

  /** Packets that were stopped since this agent began to count, and decisions that stopped some. */
  get total(): { decisions: number; packets: number } {
    let packets = 0
    for (const count of this.#counts.values()) packets += count.packets
    return { decisions: this.#counts.size, packets }
  }

  /** What is new since it was told last, with most packets first. The others have their turn with the next heartbeats. */
  news(): DecisionHits[] {
    return [...this.#counts.values()]
      .filter(({ packets, told }) => packets > told)
      .sort((a, b) => b.packets - b.told - (a.packets - a.told))
      .slice(0, mostHits)
      .map(({ claim, packets, last }) => ({ decision: claim.decision, packets, last }))
  }

  /** The service has these. */
  told(hits: readonly DecisionHits[]): void {
    const packets = new Map(hits.map((hit) => [hit.decision, hit.packets]))
    for (const count of this.#counts.values())
      count.told = Math.max(count.told, packets.get(count.claim.decision) ?? 0)
  }

  /** The answers with what their decisions stopped; of what is over that is the last word. */
  withHits(answers: readonly Answer[]): readonly Answer[] {
    if (this.#counts.size + this.#over.size === 0) return answers
    return answers.map((answer) => {
      const count = this.#countOf(answer)
      return count ? { ...answer, hits: { packets: count.packets, last: count.last } } : answer
    })
  }

  #countOf(answer: Answer): Count | undefined {
    const { audience, decision, status } = answer
    const name = nameOf(answer)
    const count = this.#counts.get(name) ?? this.#over.get(name)
    if (count && !this.#on.wished.has(audience, decision)) {
      this.#counts.delete(name)
      this.#over.delete(name)
    }
    return status === 'ended' || status === 'applied' ? count : undefined
  }

  /**
   * Before something ends: what was stopped by now is counted, where that costs little; what is `lifted` somebody is
   * looking at. Never throws.
   */
  async count(lifted: boolean): Promise<void> {
    const { at, took } = this.#lastRead
    const rest = took * (lifted ? shareOfLifts : share)
    if (this.#stopped || this.#failing || this.#on.monotonic() < at + rest) return
    await Promise.race([this.read(), sleep(mostWaitMs, undefined, { ref: false })])
  }

  /** Never throws. */
  read(): Promise<void> {
    this.#reading ??= this.#look().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #look(): Promise<void> {
    const { firewall, wished, monotonic, health } = this.#on
    this.#forget()
    const began = monotonic()
    try {
      const scoped = firewall.enforcing ? await firewall.scopedHits() : []
      for (const hit of scoped) this.#countScoped(hit)
      if (firewall.enforcing && wished.size > wished.scopes.size)
        this.#take(await firewall.hits(), monotonic())
      else this.#readAt = monotonic()
      this.#failing = false
      health(undefined)
    } catch (error) {
      this.#failing = true
      health(toProblem(error))
    } finally {
      this.#lastRead = { at: monotonic(), took: monotonic() - began }
    }
  }

  /** What the kernel has counted before it was ever read is news only when it still goes on. */
  #take(found: readonly Hit[], now: number): void {
    const since = now - this.#readAt + slackMs
    for (const hit of found) {
      const known = this.#read.get(sideOf(hit))?.packets
      if (known === undefined && hit.agoMs > since) continue
      const more = known === undefined || hit.packets < known ? hit.packets : hit.packets - known
      if (more > 0) this.#count(hit, more)
    }
    this.#read = new Map(found.map((hit) => [sideOf(hit), hit]))
    this.#readAt = now
  }

  /** Which of several decisions on an address stopped a packet is not known, and it would go on after each of them. */
  #count({ side, address: text, agoMs }: Hit, more: number): void {
    const address = maybeAddress(text)
    if (!address) return
    const last = Math.max(0, Math.round(this.#on.now() - agoMs))
    for (const claim of this.#on.wished.claimsAround(address))
      if (goes(claim, side)) this.#add(claim, more, last)
  }

  /** The counter of an element does not tell when the last of its packets was: it was since it was read before. */
  #countScoped({ element, packets }: ScopedHit): void {
    const now = Math.max(0, Math.round(this.#on.now()))
    for (const claim of this.#on.wished.scopes.claimsOf(element)) this.#add(claim, packets, now)
  }

  #add(claim: Claim, packets: number, last: number): void {
    const name = nameOf([claim.audience, claim.decision])
    const count = this.#counts.get(name) ?? { claim, packets: 0, last: 0, told: 0 }
    count.packets += packets
    count.last = Math.max(count.last, last)
    this.#counts.set(name, count)
  }

  /** A claim that was replaced by a newer action on its decision goes on counting. */
  #forget(): void {
    for (const [name, count] of this.#counts) {
      const { audience, decision, target } = count.claim
      const now = this.#on.wished.get(audience, decision)
      if (now && now.target === target) count.claim = now
      else this.#counts.delete(name)
      if (!now) this.#over.set(name, count)
    }
    for (const name of this.#over.keys()) {
      if (this.#over.size <= mostOver) return
      this.#over.delete(name)
    }
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => void this.#round(), ms).unref()
  }

  /** One slow look alone is a moment of the machine's, for which nobody's hits are to stay unseen for minutes. */
  async #round(): Promise<void> {
    const before = this.#lastRead.took
    await this.read()
    if (this.#stopped) return
    this.#later(Math.max(everyMs, Math.min(before, this.#lastRead.took) * share))
  }
}

function sideOf({ side, address }: Hit): string {
  return `${side} ${address}`
}
