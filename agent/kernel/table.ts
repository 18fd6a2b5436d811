/** The firewall upon the kernel: one table, made by nft text, filled by a carrier. */
import { setImmediate as breath } from 'node:timers/promises'
import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Proven } from './carrier.ts'
import { Counters } from './counters.ts'
import type {
  Change,
  FeedElement,
  FeedHalf,
  Firewall,
  Put,
  ScopedElement,
  SetName,
} from './firewall.ts'
import { readCounters, readHits } from './hits.ts'
import { watchListing } from './listing.ts'
import { lookUps } from './look-ups.ts'
import type { Nft } from './nft.ts'
import {
  makeTable,
  mendTable,
  remakeTable,
  removeTable,
  scopedIn,
  structureMatches,
  tableName,
} from './ruleset.ts'
import { nothingScoped, type ScopedState, scopedState } from './scoped.ts'
import { changeScoped, countingSets, freshStanding, isAll, type Standing } from './scoped-script.ts'
import { printSteps } from './script.ts'
import { feedSets } from './sets.ts'
import { printStandIn, removeStandIn } from './stand-in.ts'
import {
  emptyHalf,
  fillHalf,
  neverSteps,
  replacement,
  type Step,
  transactionSize,
  transactions,
} from './transaction.ts'
import { oneAtATime } from './turns.ts'
import type { Watcher } from './watch.ts'

/** Elements in a transaction from which on its own notifications are not worth their cost. */
const asideSize = 500
/** nft reads an interval set anew for each transaction, so that few large ones are much the faster. */
const nftPiece = 100_000

type Watch = (
  ownPort: number | undefined,
  isOwn: (pid: number) => boolean,
  changed: (what: string) => void,
) => Watcher

/** `hear` is how the kernel's notifications are heard; without it the table is listed now and then. */
export function kernelFirewall(
  { carrier, can, expresses }: Proven,
  nft: Nft,
  { hear, fallback }: { hear?: Watch | undefined; fallback?: string } = {},
): Firewall {
  let never: readonly Address[] = []
  /** The table in force has the sets of another version, to be made anew with the next `replace`. */
  let foreign = false
  /** Of scoped orders; undefined where it has to be looked for. */
  let scoped: Standing | undefined
  /** Since the kernel refused a transaction, which changes nothing: what stood before it. */
  let stood: Standing | undefined
  /** For the table of this version, while there is one of another. */
  let waiting = { wanted: nothingScoped, now: 0 }

  const counters = new Counters()
  /** A reading beside a change could tell the counts of before it after those of it. */
  const counting = oneAtATime()

  let watcher: Watcher | undefined

  // A transaction of ours beside one that is done aside would be taken for somebody else's.
  const turn = oneAtATime()
  const aside = (size: number, transaction: () => Promise<void>) =>
    turn(() => (watcher && size > asideSize ? watcher.aside(transaction) : transaction()))
  const commit = (steps: readonly Step[]) =>
    aside(sizeOf(steps), () => carrier.commit(tableName, steps))
  // Where nothing is renewed by adding it, an element can end between the add and the delete of one
  // transaction, which then fails wholly. The second time it is gone, and the add makes it new.
  const commitTwice = (steps: readonly Step[]) =>
    can.destroy ? commit(steps) : commit(steps).catch(() => commit(steps))

  const runOwn = (script: string) =>
    watcher ? watcher.own(() => nft.run(script)) : nft.run(script)
  const asked = lookUps(turn, runOwn)

  const look = async (): Promise<Standing> => {
    const text = await nft.list('-j', '-t', 'list', 'table', 'inet', tableName)
    const found = text === undefined ? [] : scopedIn(JSON.parse(text))
    if (stood && isAll(found, stood)) return stood
    return { ...freshStanding, found, known: false }
  }

  /** Without it all is the same but for some milliseconds. */
  const standIn = async (scripts: readonly string[]) => {
    try {
      for (const one of scripts) await nft.run(one)
    } catch {
      // What a kernel refuses of it is refused in the table, too, and said there.
    }
  }

  /** The table of another version goes, and all of it comes anew in the same transaction. */
  const remake = async (steps: readonly Step[]) => {
    const { wanted, now } = waiting
    const { scripts, standing, made } = changeScoped(tableName, freshStanding, wanted, now)
    const script =
      remakeTable() + scripts.join('') + printSteps(tableName, [...neverSteps(never), ...steps])
    const meanwhile = printStandIn({ never, steps, scoped: wanted, now })
    await aside(sizeOf(steps), async () => {
      await standIn(meanwhile)
      await nft.run(script).finally(() => standIn(meanwhile.length > 0 ? [removeStandIn()] : []))
    })
    asked.wrote()
    foreign = false
    scoped = standing
    count(wanted, made)
  }

  const count = ({ counters: all }: ScopedState, made: ReadonlySet<string>) =>
    counters.hold(new Map([...all].map(([mark, { element }]) => [mark, [element]])), (mark) =>
      made.has(all.get(mark)?.set ?? ''),
    )

  /** What cannot be read is lost, and what is stopped between this and the change, some milliseconds. */
  const readBefore = async (leaving: readonly string[]) => {
    if (leaving.length === 0 || counters.isEmpty) return
    counters.see(await readCounters(nft, leaving).catch(() => new Map<string, number>()))
  }

  return {
    name: carrier.name,
    enforcing: true,
    expresses,
    ...(fallback === undefined ? {} : { fallback }),

    async prepare() {
      const text = await nft.list('-j', '-t', 'list', 'table', 'inet', tableName)
      const listing: unknown = text === undefined ? undefined : JSON.parse(text)
      foreign = listing !== undefined && !structureMatches(listing)
      if (!foreign)
        await turn(async () => {
          await nft.run(removeStandIn() + (listing === undefined ? makeTable() : mendTable()))
          asked.wrote()
        })
      if (listing === undefined) asked.empty()
      scoped = listing === undefined ? freshStanding : undefined
      stood = undefined
      return listing === undefined
    },

    async apply(changes: readonly Change[]) {
      if (foreign) throw otherVersion()
      const steps = transactions(changes, can)
      await asked.fill(setsOf(changes))
      for (const some of steps) await commitTwice(some)
    },

    async replace(elements: readonly Put[]) {
      const steps = replacement(elements)
      asked.empty()
      try {
        const remade = foreign
        if (remade) await remake(steps)
        await asked.fill(setsOf(elements))
        if (!remade) await commit(steps)
      } catch (error) {
        asked.forget()
        throw error
      }
      await asked.spare()
    },

    async setScoped(elements: readonly ScopedElement[], now: number) {
      const wanted = scopedState(elements, now)
      if (foreign) {
        waiting = { wanted, now }
        return
      }
      await counting(async () => {
        const before = scoped ?? (await look())
        const { scripts, standing, leaving, made } = changeScoped(tableName, before, wanted, now)
        scoped = undefined
        await readBefore(leaving)
        stood = before
        for (const script of scripts) {
          await turn(() => runOwn(script))
          stood = undefined
        }
        scoped = standing
        count(wanted, made)
      })
    },

    hits: () => readHits(nft),

    scopedHits: () =>
      counting(async () => {
        if (!counters.isEmpty && scoped) counters.see(await readCounters(nft, countingSets(scoped)))
        return counters.take()
      }),

    async fillFeeds(half: FeedHalf, elements: Iterable<FeedElement>) {
      if (foreign) throw otherVersion()
      await asked.fill(feedSets(half))
      await commit(emptyHalf(half))
      let count = 0
      const least = carrier.name === 'nft' ? nftPiece : transactionSize
      for (const steps of fillHalf(half, elements, least)) {
        if (steps.length > 0) await commit(steps)
        count += countOf(steps)
        await breath()
      }
      return count
    },

    async emptyFeeds(half: FeedHalf) {
      if (foreign) return
      await commit(emptyHalf(half))
      asked.emptied(feedSets(half))
      await asked.spare()
    },

    async setNever(addresses: readonly Address[]) {
      never = addresses
      if (!foreign) await commit(neverSteps(addresses))
    },

    remaining: (set, address) => carrier.remaining(tableName, set, address),

    watch(changed) {
      watcher?.stop()
      const mine = hear ? hear(carrier.port, nft.isOwn, changed) : watchListing(nft, changed)
      watcher = mine
      return () => {
        mine.stop()
        if (watcher === mine) watcher = undefined
      }
    },

    clear: () => turn(() => nft.run(removeTable() + removeStandIn())),

    async close() {
      watcher?.stop()
      watcher = undefined
      carrier.close()
    },
  }
}

function setsOf(changes: readonly Change[]): ReadonlySet<SetName> {
  const sets = new Set<SetName>()
  for (const { op, set } of changes) if (op === 'put') sets.add(set)
  return sets
}

/** A flush tells of each element that was there, of which the number is not known. */
function sizeOf(steps: readonly Step[]): number {
  const flushed = steps.some((step) => step.do === 'flush' && !step.set.startsWith('never'))
  return countOf(steps) + (flushed ? asideSize + 1 : 0)
}

function countOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + (step.do === 'flush' ? 0 : step.elements.length), 0)
}

function otherVersion(): Problem {
  return new Problem('kernel_refused', 'the table in the kernel is of another version', {
    remedy: 'the agent fills it anew by itself, which makes the table of this version',
  })
}
