/**
 * The firewall of hosts without nftables: ipset for what is blocked, iptables for a constant number of rules that look
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
  putLine,
  refill,
} from './ipset-sets.ts'
import { Tally } from './ipset-tally.ts'
import { watchIpsets } from './ipset-watch.ts'
import { IptablesRules } from './iptables.ts'
import type { Iptables } from './iptables-program.ts'
import { mustFit, setSpec } from './sets.ts'
import { oneAtATime } from './turns.ts'

/** Lines in one call of ipset: other changes wait for one at most. */
const batchSize = 5_000

export function ipsetFirewall(
  ipset: Ipset,
  iptables: Iptables,
  { can = everything, fallback, monotonic = () => performance.now(), everyMs }: IpsetOn = {},
): Firewall {
  const turn = oneAtATime()
  const tally = new Tally(monotonic)
  const rules = new IptablesRules(iptables)
  const scoped = new ScopedSets(ipset, rules)
  const reserved = new Reserved(() => scoped.held)
  let stop = () => {}

  /** In batches, of which each is known before the next begins. */
  const runAll = async (lines: readonly string[]) => {
    for (let from = 0; from < lines.length; from += batchSize)
      await ipset.run(lines.slice(from, from + batchSize))
  }

  const refillAll = async (sets: readonly (readonly [IpsetSpec, readonly Line[]])[]) => {
    const steps = sets.map(([spec, lines]) =>
      refill(
        spec,
        lines.map(({ text }) => text),
      ),
    )
    try {
      await runAll(steps.flatMap(({ fill }) => fill))
      await ipset.run(steps.flatMap(({ swap }) => swap))
    } catch (error) {
      // What was there before stays; what was made beside it is of no use. The next time empties it in any case.
      for (const [{ name }] of sets)
        await ipset.run([`destroy ${freshName(name)}`]).catch(() => undefined)
      throw error
    }
    for (const [{ name }, lines] of sets) {
      tally.empty(name)
      for (const line of lines) if (line.timeoutMs !== undefined) tally.put(name, line.timeoutMs)
    }
  }

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
        for (const { name } of allIpsets) if (strange || !there.has(name)) tally.forget(name)
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
          for (const line of lines)
            if (line.timeoutMs === undefined) tally.remove(line.set)
            else tally.put(line.set, line.timeoutMs)
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
        await refillAll(blockIpsets.map((spec) => [spec, lines.get(spec.name) ?? []]))
      }),

    async fillFeeds(half: FeedHalf, elements: Iterable<FeedElement>) {
      await emptyFeeds(half)
      let count = 0
      let lines: Line[] = []
      const flush = () =>
        turn(async () => {
          for (const { set, timeoutMs = 0 } of lines) tally.put(set, timeoutMs)
          await ipset.run(lines.map(({ text }) => text))
          count += lines.length
          lines = []
        })
      for (const element of elements) {
        if (element.timeoutMs <= 0) continue
        const name = feedIpset(half, element.address.family)
        lines.push(lineOf(name, name, element))
        if (lines.length % 250 === 0) await breath()
        if (lines.length >= batchSize) await flush()
      }
      await flush()
      return count
    },

    emptyFeeds,

    setScoped: (elements: readonly ScopedElement[], now: number) =>
      turn(async () => {
        await scoped.set(elements, now)
        reserved.forget()
      }),

    hits: (): Promise<readonly Hit[]> => turn(() => readIpsetHits(ipset)),

    setNever: (addresses: readonly Address[]) =>
      turn(async () => {
        const all = addresses.flatMap(holdable)
        const sets = allIpsets.filter(({ name, family }) => name === neverIpset(family))
        await refillAll(
          sets.map((spec) => [
            spec,
            all
              .filter(({ family }) => family === spec.family)
              .map(({ text }) => ({
                text: addLine(freshName(spec.name), text, undefined),
                set: spec.name,
                timeoutMs: undefined,
              })),
          ]),
        )
        for (const { name } of sets) tally.forget(name)
      }),

    async remaining(set, address) {
      const found = await turn(() => ipset.save(ipsetOf(set)))
      const line = found?.split('\n').find((one) => one.split(' ')[2] === address.text)
      const seconds = line === undefined ? undefined : / timeout (\d+)/.exec(line)?.[1]
      return seconds === undefined ? undefined : Number(seconds) * 1_000
    },

    watch(changed) {
      stop()
      stop = watchIpsets({ ipset, rules, tally, turn, changed, everyMs })
      return stop
    },

    clear: () => turn(() => clearAll(ipset, rules)),

    async close() {
      stop()
    },
  }
}

export type IpsetOn = {
  can?: Pick<Expresses, 'scopes' | 'reject'>
  fallback?: string | undefined
  monotonic?: () => number
  /** How often it is looked for what others changed. */
  everyMs?: number
}

const everything = { scopes: true, reject: true }

/** A line of the script; without a time it removes. */
type Line = { set: string; text: string; timeoutMs: number | undefined }

function lineOf(set: string, into: string, change: Pick<Put, 'address' | 'timeoutMs'>): Line {
  const { timeoutMs } = change
  return { set, text: putLine(into, change), timeoutMs: timeoutMs > 0 ? timeoutMs : undefined }
}

/** Of several changes to one element the last; what comes before what goes, so that nothing that stays is ever missing. */
function safely(changes: readonly Change[]): Line[] {
  const last = new Map<string, Line>()
  for (const change of changes) {
    const set = ipsetOf(change.set)
    const timeoutMs = change.op === 'put' ? change.timeoutMs : 0
    last.set(`${set} ${change.address.text}`, lineOf(set, set, { ...change, timeoutMs }))
  }
  const lines = [...last.values()]
  const removes = (line: Line) => line.timeoutMs === undefined
  return [...lines.filter((line) => !removes(line)), ...lines.filter(removes)]
}

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
