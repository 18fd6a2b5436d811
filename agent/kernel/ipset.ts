/**
 * The firewall of hosts without nftables: ipset for what is blocked, iptables for a bounded number of rules that look
 * it up. Sets are changed line by line, not in transactions, so the order makes each step safe: what comes is added
 * before what goes is removed, and a whole state takes the place of another by one swap a set. Times are whole seconds.
 */
import { setImmediate as breath } from 'node:timers/promises'
import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type {
  Change,
  Expresses,
  FeedElement,
  FeedHalf,
  Firewall,
  Hit,
  Put,
  ScopedElement,
} from './firewall.ts'
import { readIpsetHits } from './ipset-hits.ts'
import { batchSize, count, type Line, lineOf, replaceSets, safely } from './ipset-lines.ts'
import type { Ipset } from './ipset-program.ts'
import { Reserved } from './ipset-reserved.ts'
import { ScopedSets } from './ipset-scoped-sets.ts'
import {
  addLine,
  allIpsets,
  blockIpsets,
  create,
  feedIpset,
  freshName,
  holdable,
  type IpsetSpec,
  ipsetOf,
  isOurs,
  neverIpset,
} from './ipset-sets.ts'
import { Tally } from './ipset-tally.ts'
import { watchIpsets } from './ipset-watch.ts'
import { IptablesRules } from './iptables.ts'
import type { Iptables } from './iptables-program.ts'
import { mustFit, setSpec } from './sets.ts'
import { oneAtATime } from './turns.ts'

/** Elements of a list that are worked out in one go. */
const breathSize = 250

export function ipsetFirewall(
  ipset: Ipset,
  iptables: Iptables,
  { can = everything, fallback, monotonic = () => performance.now(), everyMs }: IpsetOn = {},
): Firewall {
  const turn = oneAtATime()
  /** A reading of counters takes seconds where there are hundreds of thousands: only what changes them waits for it. */
  const counting = oneAtATime()
  const tally = new Tally(monotonic)
  const rules = new IptablesRules(iptables)
  const scoped = new ScopedSets(ipset, rules, tally)
  const reserved = new Reserved(() => scoped.held)
  let stop = () => {}

  const emptyFeeds = (half: FeedHalf) =>
    turn(async () => {
      const names = ([4, 6] as const).map((family) => feedIpset(half, family))
      await ipset.run(names.map((name) => `flush ${name}`))
      for (const name of names) tally.empty(name)
    })

  return {
    name: 'ipset',
    enforcing: true,
    expresses: { ...can, refuses: (elements) => reserved.refuses(elements) },
    ...(fallback === undefined ? {} : { fallback }),

    prepare: () =>
      turn(async () => {
        const there = await ipset.headers()
        const strange = allIpsets.some(({ name, type, family }) => {
          const header = there.get(name)
          return header && (header.type !== type || header.family !== family)
        })
        if (strange) await clearAll(ipset, rules)
        for (const { name } of allIpsets) if (strange || !there.has(name)) tally.empty(name)
        await ipset.run(allIpsets.map((spec) => create(spec)))
        await rules.mend()
        scoped.unknown()
        return strange || blockIpsets.every(({ name }) => !there.has(name))
      }),

    async apply(changes: readonly Change[]) {
      for (const { set, address } of changes) mustFit(setSpec(set), address)
      for (let from = 0; from < changes.length; from += batchSize) {
        const lines = safely(changes.slice(from, from + batchSize))
        await turn(async () => {
          count(tally, lines)
          await ipset.run(lines.map(({ text }) => text))
        })
      }
    },

    replace: (elements: readonly Put[]) =>
      turn(async () => {
        const lines = new Map<string, Line[]>(blockIpsets.map(({ name }) => [name, []]))
        for (const element of elements) {
          mustFit(setSpec(element.set), element.address)
          const name = ipsetOf(element.set)
          lines.get(name)?.push(lineOf(name, freshName(name), element))
        }
        await replaceSets(
          ipset,
          tally,
          blockIpsets.map((spec) => [spec, lines.get(spec.name) ?? []]),
        )
      }),

    async fillFeeds(half: FeedHalf, elements: Iterable<FeedElement>) {
      await emptyFeeds(half)
      let filled = 0
      let lines: Line[] = []
      const fill = () =>
        turn(async () => {
          count(tally, lines)
          await ipset.run(lines.map(({ text }) => text))
          filled += lines.length
          lines = []
        })
      for (const element of elements) {
        if (element.timeoutMs <= 0) continue
        const name = feedIpset(half, element.address.family)
        lines.push(lineOf(name, name, element))
        if (lines.length % breathSize === 0) await breath()
        if (lines.length >= batchSize) await fill()
      }
      await fill()
      return filled
    },

    emptyFeeds,

    setScoped: (elements: readonly ScopedElement[], now: number) =>
      counting(() =>
        turn(async () => {
          await scoped.set(elements, now)
          reserved.forget()
        }),
      ),

    hits: (): Promise<readonly Hit[]> => turn(() => readIpsetHits(ipset)),

    scopedHits: () => scoped.hits(counting),

    setNever: (addresses: readonly Address[]) =>
      turn(async () => {
        const all = addresses.flatMap(holdable)
        const sets = allIpsets.filter(({ name, family }) => name === neverIpset(family))
        await replaceSets(
          ipset,
          tally,
          sets.map((spec) => [spec, all.filter(isOf(spec)).map(forEver(spec))]),
        )
      }),

    async remaining(set, address) {
      const found = await turn(() => ipset.save(ipsetOf(set)))
      const line = found?.split('\n').find((one) => one.split(' ')[2] === address.text)
      const seconds = line === undefined ? undefined : / timeout (\d+)/.exec(line)?.[1]
      return seconds === undefined ? undefined : Number(seconds) * 1_000
    },

    watch(changed) {
      stop()
      stop = watchIpsets({ ipset, rules, tally, scoped, turn, changed, everyMs })
      return stop
    },

    clear: () => turn(() => clearAll(ipset, rules)),

    async close() {
      stop()
    },
  }
}

type IpsetOn = {
  can?: Pick<Expresses, 'scopes' | 'reject'>
  fallback?: string | undefined
  monotonic?: () => number
  /** How often it is looked for what others changed. */
  everyMs?: number
}

const everything = { scopes: true, reject: true }

const isOf = (spec: IpsetSpec) => (address: Address) => address.family === spec.family

const forEver =
  ({ name: set }: IpsetSpec) =>
  ({ text }: Address): Line => ({
    ...{ set, timeoutMs: Number.POSITIVE_INFINITY },
    text: addLine(freshName(set), text, undefined),
  })

/** Rules first: a set that they use cannot go. */
async function clearAll(ipset: Ipset, rules: IptablesRules): Promise<void> {
  await rules.remove()
  const names = [...(await ipset.headers()).keys()].filter(isOurs)
  try {
    await ipset.run(names.map((name) => `destroy ${name}`))
  } catch (error) {
    throw error instanceof Problem
      ? error
      : new Problem('kernel_refused', 'the sets cannot be removed', { cause: error })
  }
}
