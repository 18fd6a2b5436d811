/** Which decisions still stop something: the kernel's counters by address, told by the decisions that cover them. */
import { maybeAddress } from '#contract/address.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { type DecisionHits, mostHits } from '#contract/receipt.ts'
import type { Firewall, Hit } from './kernel/firewall.ts'
import type { Claim, Wished } from './wished.ts'

export type HitsOn = {
  firewall: Pick<Firewall, 'hits' | 'enforcing'>
  wished: Wished
  now(): number
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** Why it cannot be told, or that it can again. Blocks are not touched by that. */
  health(problem: Problem | undefined): void
}

/** Often enough to tell who goes on, and no load: reading costs a few ms, or a second when tens of thousands hit. */
const everyMs = 15_000
/** Of the time at most one part in this many goes into reading. */
const share = 50
/** Between the clocks of kernel and process. */
const slackMs = 1_000

type Count = { packets: number; last: number; told: number }

export class Hits {
  readonly #on: HitsOn
  /** By address, as read last. */
  #read: ReadonlyMap<string, Hit> = new Map()
  /** When it was read last, or there was nothing to read. */
  #readAt: number
  readonly #counts = new Map<Claim, Count>()
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
    return [...this.#counts]
      .filter(([, { packets, told }]) => packets > told)
      .sort(([, a], [, b]) => b.packets - b.told - (a.packets - a.told))
      .slice(0, mostHits)
      .map(([{ decision }, { packets, last }]) => ({ decision, packets, last }))
  }

  /** The service has these. */
  told(hits: readonly DecisionHits[]): void {
    const packets = new Map(hits.map((hit) => [hit.decision, hit.packets]))
    for (const [{ decision }, count] of this.#counts)
      count.told = Math.max(count.told, packets.get(decision) ?? 0)
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
    if (!firewall.enforcing || wished.size === 0) {
      this.#read = new Map()
      this.#readAt = monotonic()
      return
    }
    try {
      const found = await firewall.hits()
      this.#take(found, monotonic())
      health(undefined)
    } catch (error) {
      health(toProblem(error))
    }
  }

  /** What the kernel has counted before it was ever read is news only when it still goes on. */
  #take(found: readonly Hit[], now: number): void {
    const since = now - this.#readAt + slackMs
    for (const hit of found) {
      const known = this.#read.get(hit.address)?.packets
      if (known === undefined && hit.agoMs > since) continue
      const more = known === undefined || hit.packets < known ? hit.packets : hit.packets - known
      if (more > 0) this.#count(hit, more)
    }
    this.#read = new Map(found.map((hit) => [hit.address, hit]))
    this.#readAt = now
  }

  /** Which of several decisions on an address stopped a packet is not known, and it would go on after each of them. */
  #count({ address: text, agoMs }: Hit, more: number): void {
    const address = maybeAddress(text)
    if (!address) return
    const last = Math.max(0, Math.round(this.#on.now() - agoMs))
    for (const claim of this.#on.wished.claimsAround(address)) {
      if (claim.scoped?.action === 'allow') continue
      const count = this.#counts.get(claim) ?? { packets: 0, last: 0, told: 0 }
      count.packets += more
      count.last = Math.max(count.last, last)
      this.#counts.set(claim, count)
    }
  }

  /** A claim that was replaced by a newer action on its decision goes on counting. */
  #forget(): void {
    for (const [claim, count] of this.#counts) {
      const { audience, decision } = claim
      const now = this.#on.wished.get(audience, decision)
      if (now === claim) continue
      this.#counts.delete(claim)
      if (now && now.target === claim.target) this.#counts.set(now, count)
    }
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => void this.#round(), ms).unref()
  }

  async #round(): Promise<void> {
    const began = this.#on.monotonic()
    await this.read()
    if (this.#stopped) return
    this.#later(Math.max(everyMs, (this.#on.monotonic() - began) * share))
  }
}
