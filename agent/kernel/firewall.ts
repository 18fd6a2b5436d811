/**
 * The one small interface to a node's packet filter. Wished state in, idempotent: putting what is there
 * renews its time, removing what is gone is no error. A promise resolves only after the kernel confirmed.
 */
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

export interface Firewall {
  readonly name: 'netlink' | 'nft' | 'dry-run'
  /** False for a back end that only prints. */
  readonly enforcing: boolean
  /** Why it is not the back end that is tried first, for a person to read. */
  readonly fallback?: string
  /**
   * Makes or mends table, chains and sets, and keeps the elements that are there. A table whose sets are of
   * another version stays in force untouched; the next `replace` then makes all anew in one transaction, and
   * `apply` throws until then. True when there was no table, so that nothing is in it.
   */
  prepare(): Promise<boolean>
  /**
   * Applies the changes in transactions of at most 5,000, each wholly or not at all; of several changes to one
   * element the last counts. A put whose time is over removes. Throws `unsupported` for an address that does not
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
