/**
 * The one small interface to a node's packet filter. Wished state in, idempotent: putting what is there
 * renews its time, removing what is gone is no error. A promise resolves only after the kernel confirmed.
 */
import type { Protocol, Rate } from '#contract/action.ts'
import type { Address } from '#contract/address.ts'

/** `in_*` match the source of a packet, `out_*` its destination. */
export type SetName = `${'in' | 'out'}_${SetKind}`

/**
 * `hosts*` and `nets*_<length>` are hash sets; `rare*` holds networks of all other prefix lengths as
 * disjoint intervals (at most 10,000: an interval set costs time proportional to its size at each change).
 */
export type SetKind =
  | 'hosts4'
  | 'hosts6'
  | 'nets4_24'
  | 'nets4_16'
  | 'nets6_64'
  | 'nets6_48'
  | 'rare4'
  | 'rare6'

/**
 * Lists that are enforced as a whole stand in intervals, in one of two halves: the next ones are loaded while these
 * are in force. What is in either half is looked up in both directions.
 */
export type FeedHalf = 'a' | 'b'
export type FeedSetName = `feeds${4 | 6}_${FeedHalf}`
export type FeedElement = { readonly address: Address; readonly timeoutMs: number }

export type Put = { op: 'put'; set: SetName; address: Address; timeoutMs: number }
export type Remove = { op: 'remove'; set: SetName; address: Address }
export type Change = Put | Remove

/** `forward` is what passes through the node, from the address or to it; the last two are one of these only. */
export type ScopedWay = 'in' | 'out' | 'forward' | 'forward_from' | 'forward_to'

/**
 * A part of an order that is more than a plain block: one way, one range of ports. Of elements that overlap each has a
 * layer of its own, for filters that cannot hold them side by side; others need not look at it. What is dropped is
 * looked for first, then what is rejected, then what is limited; what is allowed passes all three, and plain blocks
 * and lists. An address that is never blocked passes whatever stands here.
 */
export type ScopedElement = {
  readonly verdict: 'drop' | 'reject' | 'allow' | 'limit'
  readonly way: ScopedWay
  readonly address: Address
  /**
   * Exact, or with a trailing * for any ending: the one on the side of the address, by which it comes from there or leaves
   * to it; for `forward` without a `peerInterface`, either.
   */
  readonly interface?: string | undefined
  /** At the other end: the destination of what comes from the address, the source of what goes to it. */
  readonly peer?: Address | undefined
  /** Of what passes through only: as `interface`, on the side of the peer. */
  readonly peerInterface?: string | undefined
  readonly protocol?: Protocol | undefined
  readonly ports?: PortSpan | undefined
  /** Of `limit` only. Elements of one name are counted together, and the count goes on as long as one of them stays. */
  readonly limit?: { readonly name: string; readonly rate: Rate } | undefined
  /** 0 to `layers` - 1. */
  readonly layer: number
  /** When it ends, by the clock of `now` in `setScoped`. */
  readonly end: number
}

/** First and last. `side` is whose they are in the packet: answers have them as their source. */
export type PortSpan = { readonly low: number; readonly high: number; readonly side: PortSide }
export type PortSide = 'destination' | 'source'

/** Elements that can overlap in one place. */
export const layers = 8

/** What this kernel can do of orders that are more than a plain block. */
export type Expresses = {
  readonly scopes: boolean
  readonly reject: boolean
  /**
   * Where it cannot do all that can be ordered: why an order of these elements cannot be carried out. What can has its
   * room from then on.
   */
  readonly refuses?: (
    elements: readonly Omit<ScopedElement, 'layer' | 'end'>[],
  ) => string | undefined
}

/**
 * That packets of the address (`in`), or to it (`out`), were stopped: how many, and how long ago the last was. What passes
 * through and is stopped for whom it goes to is `out`, too.
 */
export type Hit = {
  readonly side: 'in' | 'out'
  readonly address: string
  readonly packets: number
  readonly agoMs: number
}

/** Packets that an element stopped. Of several that would each have stopped one packet, each may count it. */
export type ScopedHit = { readonly element: ScopedElement; readonly packets: number }

export interface Firewall {
  readonly name: 'netlink' | 'nft' | 'ipset' | 'dry-run'
  /** False for a back end that only prints. */
  readonly enforcing: boolean
  readonly expresses: Expresses
  /** Why it is not the back end that is tried first, for a person to read. */
  readonly fallback?: string
  /**
   * Makes or mends table, chains and sets, and keeps the elements that are there. A table whose sets are of
   * another version stays in force untouched; the next `replace` then makes all anew in one transaction, and
   * `apply` throws until then. True when there was no table, so that nothing is in it.
   */
  prepare(): Promise<boolean>
  /**
   * Applies the changes in transactions of at most 5,000, each wholly or not at all where the kernel has transactions; of
   * several changes to one element the last counts. A put whose time is over removes. Throws `unsupported` for an address that does not
   * fit its set.
   * Throws `kernel_refused`; the caller then holds nothing of that call for certain and replaces.
   */
  apply(changes: readonly Change[]): Promise<void>
  /** Every set is emptied and filled with these in one transaction: nothing that stays is ever missing. */
  replace(elements: readonly Put[]): Promise<void>
  /**
   * Empties the half and fills it with these, which are in order and apart, step by step: other changes wait for one
   * step at most. They are taken one by one as they are needed; what is over is left out. Resolves to how many are there.
   * Throws `kernel_refused`, and what taking them throws; the half then holds a part of them.
   */
  fillFeeds(half: FeedHalf, elements: Iterable<FeedElement>): Promise<number>
  emptyFeeds(half: FeedHalf): Promise<void>
  /**
   * These are all the scoped elements there are; nothing that stays is ever missing on the way. They
   * are few (thousands), and what is as it was costs nothing. Elements that have ended at `now` are left out.
   * After `prepare` everything is written anew. For a table of another version they go with the next `replace`.
   * Throws `kernel_refused`; what was there before then stays.
   */
  setScoped(elements: readonly ScopedElement[], now: number): Promise<void>
  /**
   * What plain blocks and lists stopped, by address: the source of what came in, the destination of what went out. An
   * address is forgotten an hour after its last packet, and when it comes again its packets are counted anew.
   */
  hits(): Promise<readonly Hit[]>
  /**
   * What each scoped element stopped since this was asked last: not what was let through, be it allowed, never blocked or
   * within a rate. Also of those that have gone since, and whatever was made anew meanwhile.
   */
  scopedHits(): Promise<readonly ScopedHit[]>
  /** The addresses that pass whatever the sets say. */
  setNever(addresses: readonly Address[]): Promise<void>
  /** Milliseconds that the kernel still holds the element, undefined when it does not. */
  remaining(set: SetName, address: Address): Promise<number | undefined>
  /** Calls back with a sentence when somebody else changed our table. Returns the way to stop. */
  watch(changed: (what: string) => void): () => void
  /** Removes the table wholly: nothing is blocked any more. */
  clear(): Promise<void>
  /** Gives back the socket; table and elements stay in force. */
  close(): Promise<void>
}
