/** A firewall that is a Map, refuses what a kernel would refuse, and shows what it was asked. */
import { type Address, overlaps } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type {
  Change,
  FeedElement,
  FeedHalf,
  Firewall,
  Hit,
  Put,
  ScopedElement,
  ScopedHit,
  SetName,
} from '../../agent/kernel/firewall.ts'
import { elementKey } from '../../agent/plan.ts'

type Held = { set: SetName; address: Address; timeoutMs: number }

export class MemoryFirewall implements Firewall {
  readonly name = 'netlink'
  readonly enforcing = true
  expresses = { scopes: true, reject: true }
  /** Those that had not ended, as they were given last. */
  scoped: readonly ScopedElement[] = []
  scopedSet = 0
  refusingScoped = false
  counted: Hit[] = []
  /** Told once. */
  scopedCounted: ScopedHit[] = []
  readonly held = new Map<string, Held>()
  never: string[] = []
  readonly feeds: Record<FeedHalf, Map<string, number>> = { a: new Map(), b: new Map() }
  /** What was done to the feed sets, in order. */
  readonly feedSteps: string[] = []
  prepared = 0
  replaced = 0
  /** Each call waits for this, so that a test decides when the kernel confirms. */
  gate: Promise<void> = Promise.resolve()
  refusing = false
  closed = false
  readonly #watchers = new Set<(what: string) => void>()

  async prepare(): Promise<boolean> {
    this.prepared++
    return this.held.size === 0
  }

  async apply(changes: readonly Change[]): Promise<void> {
    await this.gate
    if (this.refusing) throw refusal('this kernel was told to refuse')
    for (const change of changes) {
      const key = elementKey(change.set, change.address)
      if (change.op === 'remove') this.held.delete(key)
      else this.#put(key, change)
    }
  }

  async replace(elements: readonly Put[]): Promise<void> {
    await this.gate
    if (this.refusing) throw refusal('this kernel was told to refuse')
    this.replaced++
    this.held.clear()
    for (const element of elements) this.#put(elementKey(element.set, element.address), element)
  }

  async fillFeeds(half: FeedHalf, elements: Iterable<FeedElement>): Promise<number> {
    await this.gate
    if (this.refusing) throw refusal('this kernel was told to refuse')
    this.feeds[half].clear()
    for (const { address, timeoutMs } of elements)
      if (timeoutMs > 0) this.feeds[half].set(address.text, timeoutMs)
    this.feedSteps.push(`fill ${half}`)
    return this.feeds[half].size
  }

  async emptyFeeds(half: FeedHalf): Promise<void> {
    if (this.refusing) throw refusal('this kernel was told to refuse')
    this.feeds[half].clear()
    this.feedSteps.push(`empty ${half}`)
  }

  /** What is blocked because of lists, in order. */
  listed(): string[] {
    return [...new Set([...this.feeds.a.keys(), ...this.feeds.b.keys()])].sort()
  }

  async setScoped(elements: readonly ScopedElement[], now: number): Promise<void> {
    await this.gate
    if (this.refusing || this.refusingScoped) throw refusal('this kernel was told to refuse')
    this.scopedSet++
    this.scoped = elements.filter(({ end }) => end > now)
  }

  async hits(): Promise<readonly Hit[]> {
    return this.counted
  }

  async scopedHits(): Promise<readonly ScopedHit[]> {
    return this.scopedCounted.splice(0)
  }

  async setNever(addresses: readonly Address[]): Promise<void> {
    this.never = addresses.map(({ text }) => text)
  }

  async remaining(set: SetName, address: Address): Promise<number | undefined> {
    return this.held.get(elementKey(set, address))?.timeoutMs
  }

  watch(changed: (what: string) => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /** Somebody else changes our table. */
  disturb(what: string): void {
    this.held.clear()
    this.scoped = []
    this.feeds.a.clear()
    this.feeds.b.clear()
    for (const watcher of this.#watchers) watcher(what)
  }

  async clear(): Promise<void> {
    this.held.clear()
  }

  async close(): Promise<void> {
    this.closed = true
  }

  keys(): string[] {
    return [...this.held.keys()].sort()
  }

  #put(key: string, { set, address, timeoutMs }: Put): void {
    if (timeoutMs <= 0) throw refusal('a timeout of nothing')
    const beside = set.includes('rare') ? [...this.held.values()] : []
    if (
      beside.some(
        (one) =>
          one.set === set && one.address.text !== address.text && overlaps(one.address, address),
      )
    )
      throw refusal(`${address.text} overlaps an interval of ${set}`)
    this.held.set(key, { set, address, timeoutMs })
  }
}

function refusal(message: string): Problem {
  return new Problem('kernel_refused', message)
}
