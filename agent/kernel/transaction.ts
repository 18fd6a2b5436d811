/** Changes as the steps of kernel transactions, by what this kernel can do. */
import { type Address, compareAddresses, contains } from '#contract/address.ts'
import type { Change, Put, Remove, SetName } from './firewall.ts'
import { blockSets, mustFit, type NeverName, setSpec } from './sets.ts'

/** Without `timeoutMs` it stays until removed: only for the never sets. */
export type Element = { readonly address: Address; readonly timeoutMs?: number }

export type Step =
  | { readonly do: 'flush'; readonly set: SetName | NeverName }
  | {
      readonly do: 'add' | 'delete' | 'destroy'
      readonly set: SetName | NeverName
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
/** Ten years: what both nft and the kernel take as a time. */
const longestMs = 315_360_000_000

export function transactions(changes: readonly Change[], can: Capabilities): Step[][] {
  const last = lastOfEach(changes)
  const steps: Step[][] = []
  for (let from = 0; from < last.length; from += transactionSize)
    steps.push(...stepsOf(last.slice(from, from + transactionSize), can))
  return steps
}

/** Everything out and these in; the kernel shows either the old or the new, never less. */
export function replacement(elements: readonly Put[]): Step[] {
  const puts = lastOfEach(elements).filter(isPut)
  return [
    ...blockSets.map((spec): Step => ({ do: 'flush', set: spec.name })),
    ...grouped(puts).map(([set, group]): Step => ({ do: 'add', set, elements: group.map(timed) })),
  ]
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

function stepsOf(changes: readonly Change[], can: Capabilities): Step[][] {
  // Removing first: a network may take the place of a wider one in the same transaction.
  const removes = grouped(changes.filter((change) => !isPut(change)))
  const puts = grouped(changes.filter(isPut))
  const putSteps = puts.flatMap(([set, group]) => putting(set, group.map(timed), can))
  const removeSteps = (groups: typeof removes) =>
    groups.flatMap(([set, group]) => removal(set, group.map(bare), can))
  // Without destroy, nft and older kernels judge overlaps by what is there before the transaction. There a
  // network of a rare length has a moment's gap when it takes the place of one that overlaps it.
  const apart = can.destroy
    ? []
    : removes.filter(([set]) => puts.some(([other]) => isRare(set, other)))
  const together = removes.filter((group) => !apart.includes(group))
  return [removeSteps(apart), [...removeSteps(together), ...putSteps]].filter(
    (steps) => steps.length > 0,
  )
}

function isRare(set: SetName, other: SetName): boolean {
  return set === other && setSpec(set).prefix === undefined
}

function removal(set: SetName, elements: readonly Element[], can: Capabilities): Step[] {
  if (can.destroy) return [{ do: 'destroy', set, elements }]
  // Deleting what has just expired would fail the whole transaction, so it is made sure to be there.
  return [
    { do: 'add', set, elements: elements.map(({ address }) => ({ address, timeoutMs: 60_000 })) },
    { do: 'delete', set, elements },
  ]
}

function putting(set: SetName, elements: readonly Element[], can: Capabilities): Step[] {
  const add: Step = { do: 'add', set, elements }
  return can.renew
    ? [add]
    : [
        ...removal(
          set,
          elements.map(({ address }) => ({ address })),
          can,
        ),
        add,
      ]
}

function lastOfEach(changes: readonly Change[]): Change[] {
  const last = new Map<string, Change>()
  for (const change of changes) {
    mustFit(setSpec(change.set), change.address)
    last.set(`${change.set} ${change.address.text}`, ended(change))
  }
  return [...last.values()]
}

/** A time of nought would mean for ever to the kernel, so what is over is removed instead. */
function ended(change: Change): Change {
  if (change.op === 'remove' || change.timeoutMs > 0) return change
  return { op: 'remove', set: change.set, address: change.address }
}

function grouped<One extends Change>(changes: readonly One[]): [SetName, One[]][] {
  const groups = new Map<SetName, One[]>()
  for (const change of changes) {
    const group = groups.get(change.set)
    if (group) group.push(change)
    else groups.set(change.set, [change])
  }
  return [...groups]
}

function outermost(addresses: readonly Address[]): Address[] {
  const kept: Address[] = []
  for (const address of [...addresses].sort(compareAddresses)) {
    const before = kept.at(-1)
    if (!before || !contains(before, address)) kept.push(address)
  }
  return kept
}

function isPut(change: Change): change is Put {
  return change.op === 'put'
}

function bare(change: Remove | Change): Element {
  return { address: change.address }
}

function timed(put: Put): Element {
  return { address: put.address, timeoutMs: Math.min(Math.ceil(put.timeoutMs), longestMs) }
}
