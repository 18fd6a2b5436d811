/** The worlds of one replay: what they share, and how all of them begin. */
import type { Policy } from '../decide/policy.ts'
import { blocksMadeIn, offencesBefore, standingAt } from '../store/replay.ts'
import type { Reader } from '../store/store.ts'
import { Past } from './past.ts'
import type { Replayed } from './replayed.ts'
import { type Start, type Surroundings, World } from './world.ts'

export type Worlds = {
  present: World
  drafts: readonly World[]
  /** Policies that take the same attackers for one share their history. */
  pasts: readonly Past[]
  /** How far the histories reach back. */
  windowMs: number
}

type Parts = { inForce: Policy; drafts: readonly Policy[]; around: Surroundings }

const minuteMs = 60_000

/** How things stood at the beginning is the same for all: as they stood then. */
export async function readStart(
  db: Reader,
  policies: readonly Policy[],
  since: number,
): Promise<Start> {
  const timeouts = policies.map(({ review }) => review.timeoutMs)
  return {
    standing: await standingAt(db, since, since - Math.max(...timeouts)),
    recent: await blocksMadeIn(db, { since: since - minuteMs, until: since }),
  }
}

export function makeWorlds({ inForce, drafts, around }: Parts, start: Start): Worlds {
  const windowMs = Math.max(...[inForce, ...drafts].map(({ historyMs }) => historyMs))
  const pasts = new Map<string, Past>()
  const make = (policy: Policy): World => {
    const { prefix } = policy.defaults
    const key = `${prefix[4]} ${prefix[6]}`
    const past = pasts.get(key) ?? new Past(prefix, windowMs)
    pasts.set(key, past)
    return new World(policy, past, around, start)
  }
  const worlds = { present: make(inForce), drafts: drafts.map(make) }
  return { ...worlds, pasts: [...pasts.values()], windowMs }
}

/** How often the attackers of a page were blocked before the beginning, for those that come for the first time. */
export async function learnOffences(
  db: Reader,
  { present, drafts, pasts }: Worlds,
  page: readonly Replayed[],
  since: number,
): Promise<void> {
  for (const past of pasts) {
    const worlds = [present, ...drafts].filter((world) => world.past === past)
    const keys = page.flatMap(({ attacker }) => (attacker ? [past.keyOf(attacker)] : []))
    const fresh = [...new Set(keys)].filter((key) => worlds[0]?.isNew(key))
    const offences = await offencesBefore(db, fresh, since)
    for (const key of fresh) for (const world of worlds) world.know(key, offences.get(key) ?? 0)
  }
}
