/** The history of each attacker as a window that slides over the replay, as the store would have given it. */
import { type Address, widen } from '#contract/address.ts'
import { historyLimit, type PastAlert } from '../decide/facts.ts'

type Prefix = { readonly 4: number; readonly 6: number }

/** Alerts of one attacker that are kept: those from the future do not take the place of true ones. */
const keptLimit = 2 * historyLimit

/** Attackers that were silent for longer than the window are forgotten after so many alerts. */
const sweepEvery = 50_000

export class Past {
  readonly #prefix: Prefix
  readonly windowMs: number
  readonly #alerts = new Map<string, PastAlert[]>()
  #added = 0

  /** Attackers in one network of this length are the same. */
  constructor(prefix: Prefix, windowMs: number) {
    this.#prefix = prefix
    this.windowMs = windowMs
  }

  /** What an attacker is counted under. */
  keyOf(attacker: Address): string {
    return widen(attacker, this.#prefix[attacker.family]).text
  }

  /** Newest first. What is further ahead of now than `aheadMs` is not seen yet. */
  of(key: string, now: number, aheadMs: number): readonly PastAlert[] {
    const kept = this.#alerts.get(key)
    if (!kept) return none
    while ((kept.at(-1)?.at ?? now) < now - this.windowMs) kept.pop()
    const until = now + aheadMs
    const first = kept[0]
    const ahead = first !== undefined && first.at > until
    const seen = ahead ? kept.filter(({ at }) => at <= until) : kept
    return seen.length > historyLimit ? seen.slice(0, historyLimit) : seen
  }

  add(key: string, past: PastAlert, now: number): void {
    if (this.windowMs === 0) return
    const kept = this.#alerts.get(key)
    if (!kept) this.#alerts.set(key, [past])
    else {
      const place = kept.findIndex(({ at }) => at <= past.at)
      if (place === 0) kept.unshift(past)
      else kept.splice(place < 0 ? kept.length : place, 0, past)
      if (kept.length > keptLimit) kept.pop()
    }
    if (++this.#added % sweepEvery === 0) this.#sweep(now)
  }

  #sweep(now: number): void {
    for (const [key, kept] of this.#alerts)
      if ((kept[0]?.at ?? 0) < now - this.windowMs) this.#alerts.delete(key)
  }
}

const none: readonly PastAlert[] = []
