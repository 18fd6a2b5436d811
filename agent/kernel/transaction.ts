/** Changes as the steps of kernel transactions, by what this kernel can do. */
import { type Address, compareAddresses, contains } from '#contract/address.ts'
import type { Change, FeedElement, FeedHalf, Put, SetName } from './firewall.ts'
import { type AnySet, blockSets, feedSets, mustFit, setSpec } from './sets.ts'

/** Without `timeoutMs` it stays until removed: only for the never sets. */
export type Element = { readonly address: Address; readonly timeoutMs?: number }

export type Step =
  | { readonly do: 'flush'; readonly set: AnySet }
  | {
      readonly do: 'add' | 'delete' | 'destroy'
      readonly set: AnySet
      readonly elements: readonly Element[]
    }

/** What the kernel, and the way to reach it, can do; a self-test decides. */
export type Capabilities = {
  /** Removing what is not there is no error. */
  readonly destroy: boolean
  /** Adding what is there replaces its time, also by a shorter one. */
  readonly renew: boolean
}

export const transactionSize = 5_000
/** Elements of a list in one transaction, where the kernel takes them fast: more would hold up blocks for longer. */
const mostInPiece = 20_000
/** Elements that are worked out in one go, about 2 ms. */
const breathSize = 250
/** Ten years: what both nft and the kernel take as a time. */
const longestMs = 315_360_000_000

/** All are checked before the first is done. */
export function transactions(changes: readonly Change[], can: Capabilities): Step[][] {
  mustAllFit(changes)
  const steps: Step[][] = []
  for (let from = 0; from < changes.length; from += transactionSize)
    steps.push(...stepsOf(lastOfEach(changes.slice(from, from + transactionSize)), can))
  return steps
}

/** Everything out and these in; the kernel shows either the old or the new, never less. */
export function replacement(elements: readonly Put[]): Step[] {
  mustAllFit(elements)
  return [
    ...blockSets.map((spec): Step => ({ do: 'flush', set: spec.name })),
    ...puttings(lastOfEach(elements), { destroy: true, renew: true }),
  ]
}

export function emptyHalf(half: FeedHalf): Step[] {
  return feedSets(half).map((set): Step => ({ do: 'flush', set }))
}

/**
 * The half filled piece by piece, each a transaction. Each costs as much as is there already, so they grow with that: the
 * whole then takes a few times as long as at once. To take elements is work too: without any there is a moment for others.
 */
export function* fillHalf(
  half: FeedHalf,
  elements: Iterable<FeedElement>,
  least: number,
): Generator<Step[]> {
  const sets = feedSets(half)
  let [taken, done] = [0, 0]
  let piece: FeedElement[] = []
  for (const element of elements) {
    if (++taken % breathSize === 0) yield []
    if (element.timeoutMs <= 0) continue
    if (piece.length >= Math.max(least, Math.min(mostInPiece, done >> 4))) {
      yield addings(piece, sets)
      done += piece.length
      piece = []
    }
    piece.push(element)
  }
  if (piece.length > 0) yield addings(piece, sets)
}

function addings(piece: readonly FeedElement[], sets: readonly AnySet[]): Step[] {
  return sets.flatMap((set): Step[] => {
    const { family } = setSpec(set)
    const elements = piece.filter(({ address }) => address.family === family)
    return elements.length > 0 ? [{ do: 'add', set, elements }] : []
  })
}

/** What the kernel takes as the time of an element: whole milliseconds, and an end there must be. */
export function kernelTime(timeoutMs: number): number {
  return Math.min(Math.max(Math.ceil(timeoutMs), 1), longestMs)
}

/** Networks that lie in another of the list are left out: intervals must not overlap. */
export function neverSteps(addresses: readonly Address[]): Step[] {
  return ([4, 6] as const).flatMap((family): Step[] => {
    const set = `never${family}` as const
    const elements = outermost(addresses.filter((address) => address.family === family))
    const flush: Step = { do: 'flush', set }
    return elements.length === 0
      ? [flush]
      : [flush, { do: 'add', set, elements: elements.map((address) => ({ address })) }]
  })
}

function stepsOf(last: LastOfEach, can: Capabilities): Step[][] {
  // Without destroy, nft and older kernels judge overlaps by what is there before the transaction. There a
  // network of a rare length has a moment's gap when it takes the place of one that overlaps it.
  const apart = (set: SetName) => !can.destroy && setSpec(set).prefix === undefined
  return [
    removals(last, can, apart),
    // Removing first: a network may take the place of a wider one in the same transaction.
    [...removals(last, can, (set) => !apart(set)), ...puttings(last, can)],
  ].filter((steps) => steps.length > 0)
}

function removals(last: LastOfEach, can: Capabilities, which: (set: SetName) => boolean): Step[] {
  return [...last].flatMap(([set, changes]) => {
    const removes = [...changes.values()].filter((change) => !isPut(change))
    return removes.length > 0 && which(set) ? removal(set, removes, can) : []
  })
}

function puttings(last: LastOfEach, can: Capabilities): Step[] {
  return [...last].flatMap(([set, changes]): Step[] => {
    const elements = [...changes.values()].filter(isPut)
    if (elements.length === 0) return []
    const add: Step = { do: 'add', set, elements }
    return can.renew ? [add] : [...removal(set, elements, can), add]
  })
}

function removal(set: SetName, elements: readonly Element[], can: Capabilities): Step[] {
  if (can.destroy) return [{ do: 'destroy', set, elements }]
  // Deleting what has just expired would fail the whole transaction, so it is made sure to be there.
  return [
    { do: 'add', set, elements: elements.map(({ address }) => ({ address, timeoutMs: 60_000 })) },
    { do: 'delete', set, elements },
  ]
}

type LastOfEach = ReadonlyMap<SetName, ReadonlyMap<Key, Change>>

function lastOfEach(changes: readonly Change[]): LastOfEach {
  const sets = new Map<SetName, Map<Key, Change>>()
  for (const change of changes) {
    const known = sets.get(change.set)
    if (known) known.set(keyOf(change.address), change)
    else sets.set(change.set, new Map([[keyOf(change.address), change]]))
  }
  return sets
}

type Key = number | string

/** Of an IPv4 host, which most are, a number: to hash a text costs several times the rest. */
function keyOf({ bytes, prefix, text }: Address): Key {
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  return bytes.length === 4 && prefix === 32 ? (a << 24) | (b << 16) | (c << 8) | d : text
}

function mustAllFit(changes: readonly Change[]): void {
  for (const change of changes) mustFit(setSpec(change.set), change.address)
}

function outermost(addresses: readonly Address[]): Address[] {
  const kept: Address[] = []
  for (const address of [...addresses].sort(compareAddresses)) {
    const before = kept.at(-1)
    if (!before || !contains(before, address)) kept.push(address)
  }
  return kept
}

/** A time of nought would mean for ever to the kernel, so what is over is removed instead. */
function isPut(change: Change): change is Put {
  return change.op === 'put' && change.timeoutMs > 0
}
