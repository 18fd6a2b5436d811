/** Stored alerts through the pure judgement, oldest first, once under each policy. */
import { printTime } from '#contract/time.ts'
import { countAlertsIn, readAlertsIn, reasonsOf, type Span } from '../store/replay.ts'
import type { Reader } from '../store/store.ts'
import { Comparison, type Held } from './comparison.ts'
import { isAsRecorded, isSameEvidence, recordedOf, silentThen } from './recorded.ts'
import { openReplayedReader, type Replayed } from './replayed.ts'
import type { Progress, Report } from './report.ts'
import { shareConditions, type Written } from './share.ts'
import type { Judgement, Surroundings, World } from './world.ts'
import { learnOffences, makeWorlds, readStart, type Worlds } from './worlds.ts'

export type Replay = Span & {
  inForce: Written
  /** Each is compared with the policy in force; without any that is compared with what was decided then. */
  drafts: readonly Written[]
  around: Surroundings
  /** Only what this rule decides. */
  rule: string | undefined
}

export type Hear = (progress: Progress) => void | Promise<void>

/** One report a draft, or one about the policy in force. `hear` is told of each page. */
export async function replay(db: Reader, order: Replay, hear: Hear): Promise<Report[]> {
  const { policies, next } = shareConditions([order.inForce, ...order.drafts])
  const [inForce = order.inForce.policy, ...drafts] = policies
  const { around } = order
  const worlds = makeWorlds({ inForce, drafts, around }, await readStart(db, policies, order.since))
  const replaying =
    worlds.drafts.length > 0 ? overDrafts(worlds, order) : overRecord(db, worlds, order)
  let differs = 0
  for await (const page of readPages(db, order, worlds, hear)) {
    for (const replayed of page) {
      next()
      const recorded = recordedOf(replayed)
      const now = worlds.present.judge(replayed)
      if (recorded && !isAsRecorded(recorded, now)) differs++
      replaying.take(replayed, now, recorded)
      remember(replayed, worlds)
    }
    await replaying.endPage()
  }
  return replaying.comparisons.map((comparison) => ({
    since: printTime(order.since),
    until: printTime(order.until),
    compared_with: worlds.drafts.length > 0 ? 'policy_in_force' : 'recorded',
    ...comparison.report(),
    differs_from_recorded: differs,
  }))
}

type Replaying = {
  comparisons: readonly Comparison[]
  take(replayed: Replayed, now: Judgement, recorded: Judgement | undefined): void
  endPage(): Promise<void>
}

function overDrafts({ present, drafts }: Worlds, { rule, inForce, around }: Replay): Replaying {
  const guard = { policy: inForce.policy, facts: around }
  const pairs = drafts.map((world) => ({ world, comparison: new Comparison({ rule, guard }) }))
  return {
    comparisons: pairs.map(({ comparison }) => comparison),
    take: (replayed, before) => {
      for (const { world, comparison } of pairs) {
        const after = world.judge(replayed)
        comparison.add(replayed, before, after, heldBy(replayed, before, after, present, world))
        comparison.inForce(present.blocksInForce(), world.blocksInForce())
      }
    },
    endPage: async () => {},
  }
}

type Waiting = { replayed: Replayed; before: Judgement; after: Judgement; held: Held }

/** What was silent then is only looked up where it matters, and for a page at once. */
function overRecord(db: Reader, { present }: Worlds, { rule }: Replay): Replaying {
  const comparison = new Comparison({ rule, guard: undefined })
  let page: Waiting[] = []
  return {
    comparisons: [comparison],
    take: (replayed, after, recorded) => {
      // Where the record is gone there is nothing to compare with.
      const before = recorded ?? after
      page.push({
        replayed,
        before,
        after,
        held: heldBy(replayed, before, after, undefined, present),
      })
      comparison.inForce(0, present.blocksInForce())
    },
    endPage: async () => {
      const doubtful = page.filter(({ after }) => after.unknown.length > 0)
      const verdicts = await reasonsOf(
        db,
        doubtful.map(({ replayed }) => replayed.row.decision),
      )
      for (const { replayed, before, after, held } of page) {
        const unknown = isSameEvidence(before, after)
          ? after.unknown
          : silentThen(verdicts.get(replayed.row.decision))
        comparison.add(replayed, { ...before, unknown }, after, held)
      }
      page = []
    },
  }
}

/** Alerts to judge, page by page. Those before the beginning only fill the histories. */
async function* readPages(
  db: Reader,
  order: Replay,
  worlds: Worlds,
  hear: Hear,
): AsyncGenerator<Replayed[]> {
  const read = openReplayedReader()
  const total = await countAlertsIn(db, order)
  let done = 0
  await hear({ done, total })
  for await (const rows of readAlertsIn(db, { ...order, since: order.since - worlds.windowMs })) {
    const page = rows.map(read)
    const early = page.findIndex(({ received }) => received >= order.since)
    const first = early < 0 ? page.length : early
    for (const replayed of page.slice(0, first)) remember(replayed, worlds)
    const judged = page.slice(first)
    await learnOffences(db, worlds, judged, order.since)
    yield judged
    done += judged.length
    await hear({ done, total })
  }
}

function remember({ attacker, past, received }: Replayed, { pasts }: Worlds): void {
  if (!attacker) return
  for (const history of pasts) history.add(history.keyOf(attacker), past, received)
}

/** Only asked where the two differ. */
function heldBy(
  { attacker }: Replayed,
  before: Judgement,
  after: Judgement,
  was: World | undefined,
  is: World,
): Held {
  const [blockedBefore, blockedAfter] = [before.outcome === 'block', after.outcome === 'block']
  if (!attacker || blockedBefore === blockedAfter) return neither
  if (blockedAfter) return { before: was?.covers(attacker) ?? false, after: false }
  return { before: false, after: is.covers(attacker) }
}

const neither: Held = { before: false, after: false }
