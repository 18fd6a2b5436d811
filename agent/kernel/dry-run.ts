/** Holds what the kernel would hold, and prints what it would be told. */
import type { Address } from '#contract/address.ts'
import type { Change, FeedElement, FeedHalf, Firewall, ScopedElement } from './firewall.ts'
import { makeTable, removeTable, tableName } from './ruleset.ts'
import { scopedState } from './scoped.ts'
import { changeScoped, freshStanding } from './scoped-script.ts'
import { printSteps } from './script.ts'
import type { AnySet } from './sets.ts'
import { emptyHalf, neverSteps, replacement, type Step, transactions } from './transaction.ts'

const can = { destroy: true, renew: true }

/** `now` in epoch milliseconds. */
export function dryRunFirewall(print: (script: string) => void, now: () => number): Firewall {
  const ends = new Map<string, number>()
  let scoped = freshStanding
  const commit = (steps: readonly Step[]) => {
    if (steps.length > 0) print(printSteps(tableName, steps))
    for (const step of steps) hold(ends, step, now())
  }
  return {
    name: 'dry-run',
    enforcing: false,
    expresses: { scopes: true, reject: true },
    async prepare() {
      print(makeTable())
      return ends.size === 0
    },
    async apply(changes: readonly Change[]) {
      for (const steps of transactions(changes, can)) commit(steps)
    },
    async replace(elements) {
      commit(replacement(elements))
    },
    async fillFeeds(half: FeedHalf, elements: Iterable<FeedElement>) {
      commit(emptyHalf(half))
      let count = 0
      for (const { timeoutMs } of elements) if (timeoutMs > 0) count++
      // A hundred thousand networks would hide all else that is printed.
      print(`# ${count} networks of lists go into feeds4_${half} and feeds6_${half}\n`)
      return count
    },
    async emptyFeeds(half) {
      commit(emptyHalf(half))
    },
    async setScoped(elements: readonly ScopedElement[], at: number) {
      const wanted = scopedState(elements, at)
      const { scripts, standing } = changeScoped(tableName, scoped, wanted, at)
      scoped = standing
      for (const script of scripts) print(script)
    },
    hits: async () => [],
    scopedHits: async () => [],
    async setNever(addresses) {
      commit(neverSteps(addresses))
    },
    async remaining(set, address) {
      const left = (ends.get(keyOf(set, address)) ?? 0) - now()
      return left > 0 ? left : undefined
    },
    watch: () => () => {},
    async clear() {
      ends.clear()
      scoped = freshStanding
      print(removeTable())
    },
    async close() {},
  }
}

function hold(ends: Map<string, number>, step: Step, now: number): void {
  if (step.do === 'flush') {
    for (const key of ends.keys()) if (key.startsWith(`${step.set} `)) ends.delete(key)
    return
  }
  for (const { address, timeoutMs } of step.elements)
    if (step.do === 'add')
      ends.set(keyOf(step.set, address), now + (timeoutMs ?? Number.POSITIVE_INFINITY))
    else ends.delete(keyOf(step.set, address))
}

function keyOf(set: AnySet, address: Address): string {
  return `${set} ${address.text}`
}
