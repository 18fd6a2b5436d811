/**
 * The whole way on one screen: receive → enrich → decide → record and sign → stream → acknowledge → expire.
 *
 * `receive` reads records and hands alerts to the `recorder`, whose `judgeBatch` gathers facts, calls the pure
 * `decide`, and stores alert, decision, signed envelope and journal line in one transaction. The `hub` then sends
 * the envelope to the nodes. Their receipts come back through `acknowledge`. `expire` runs by the clock. What a
 * person decides enters through `orders`, at the same place as a verdict; what else is said to a question, and what the
 * clock says for those who did not answer, through `review`. `links` lets a notice be answered. What a source takes back
 * of what it said goes from `receive` to `withdraw`, in order with its alerts. By the clock, too, `rollout` gives to the
 * fleet what a few nodes tried, and `renew` prolongs what nodes still stop something by.
 */
import type { Logger } from 'pino'
import { Problem } from '#contract/problem.ts'
import type { Heartbeat, Receipt } from '#contract/receipt.ts'
import type { Policy } from '../decide/policy.ts'
import type { FactSources } from '../facts/sources.ts'
import type { Countries } from '../posture/country-networks.ts'
import type { RetentionSettings } from '../retention-settings.ts'
import { decisionIdFrom } from '../store/decisions.ts'
import type { Store } from '../store/store.ts'
import { acknowledge, takeHeartbeat } from './acknowledge.ts'
import { type Asking, openAsking } from './ask.ts'
import { openBlockCount } from './block-count.ts'
import { settleProvisional } from './confirm.ts'
import { type Confirmations, openConfirmations } from './confirmations.ts'
import { type Counts, openCounts } from './counts.ts'
import type { EnrolParts } from './enrol.ts'
import { expire, prune } from './expire.ts'
import { type EnforcedList, type Feeds, openFeeds } from './feeds.ts'
import { headIntervalMs, publishHeads } from './heads.ts'
import { type Hub, openHub } from './hub.ts'
import type { SigningKeys } from './keys.ts'
import { type Links, openLinks } from './links.ts'
import { type Orders, openOrders } from './order.ts'
import { openPostures, type Postures } from './postures.ts'
import type { SourceHealth } from './pull.ts'
import type { RunningConnector } from './receive.ts'
import { openRecorder, type Recorder } from './record.ts'
import { openRenewal } from './renew.ts'
import { retain } from './retain.ts'
import { openReview, type Review } from './review.ts'
import { openRollout } from './rollout.ts'
import type { Said } from './said.ts'
import type { Randomness } from './secret.ts'
import { openSnapshots, type Snapshots } from './snapshot.ts'
import { openWatch } from './watch.ts'

export type FlowParts = {
  store: Store
  keys: SigningKeys
  log: Logger
  now(): number
  random: Randomness
  connectors: ReadonlyMap<string, RunningConnector>
  /** The policy in force and its text; `read` reads the file anew, to be used or not, and throws `policy_invalid`. */
  policy: { current(): Policy; text(): string; read(): { text: string; use(): void } }
  /** Networks of the service itself. The same array until they change. */
  own(): readonly string[]
  sources: FactSources
  /** What people said, read from the store already. */
  said: Said
  /** Lists that nodes enforce as a whole; without it none are. */
  enforced?(): readonly EnforcedList[]
  /** What standing rules are made from: the networks of countries, and the file that the settings name. */
  posture?: { countries: Countries; file: string | undefined }
  retention: RetentionSettings
  /** Under which names those keep their places who follow the journal. */
  journalReaders: readonly string[]
  /** Whether what nodes confirm is kept word by word, for a sink that wants it. */
  keepsWords: boolean
  pause(ms: number, stop: AbortSignal): Promise<void>
  reachable: EnrolParts['reachable']
}

export type Flow = FlowParts & {
  hub: Hub
  recorder: Recorder
  orders: Orders
  review: Review
  links: Links
  /** Turns of the clock: what was tried on a few nodes, and blocks that still stop something near their end. */
  rollOut(): Promise<number>
  renew(): Promise<number>
  snapshots: Snapshots
  feeds: Feeds
  postures: Postures
  confirmations: Confirmations
  /** Files and streams that connectors follow. */
  followed: SourceHealth[]
  asking: Asking
  counts: Counts
  acknowledge(node: string, receipts: readonly Receipt[]): Promise<void>
  takeHeartbeat(node: string, heartbeat: Heartbeat): Promise<void>
  /** Starts what runs by the clock. Returns the way to stop it. */
  startClock(): () => void
}

export function openFlow(parts: FlowParts): Flow {
  const hub = openHub()
  const confirmations = openConfirmations()
  const counts = openCounts()
  const blocks = openBlockCount()
  const { store, keys, now, own, said } = parts
  const policy = parts.policy.current
  const judging = { store, keys, hub, now, own, policy, blocks, said, sources: parts.sources }
  const recorder = openRecorder({ ...judging, counts, later: (pending) => asking.later(pending) })
  const asking = openAsking({
    ...parts,
    policy,
    judge: (alert, given) => recorder.record([alert], given),
    confirm: (pending, answers) => settleProvisional(judging, pending, answers),
  })
  const feeds = openFeeds({ store, keys, hub, now, enforced: () => parts.enforced?.() ?? [] })
  const { countries = noCountries, file } = parts.posture ?? {}
  const postures = openPostures({ store, keys, hub, now, countries, file })
  const newId = () => decisionIdFrom(`manual:${Buffer.from(parts.random(16)).toString('hex')}`)
  const answering = { store, keys, hub, now, own, policy, said }
  const orders = openOrders({ ...answering, newId })
  const review = openReview({
    ...answering,
    blocks,
    random: parts.random,
    text: parts.policy.text,
  })
  const rollOut = openRollout({ ...answering })
  const snapshots = openSnapshots({ store, keys, now })
  const renew = openRenewal({ ...answering, blocks })
  const followed: SourceHealth[] = []
  return {
    ...parts,
    hub,
    confirmations,
    recorder,
    orders,
    review,
    links: openLinks({ ...parts, policy, orders }),
    rollOut,
    renew,
    snapshots,
    feeds,
    postures,
    followed,
    asking,
    counts,
    acknowledge: async (node, receipts) => {
      const { taken, stopped } = await acknowledge(store, node, receipts, now(), parts.keepsWords)
      for (const { status } of taken) counts.add('receipts', status)
      if (stopped > 0) counts.add('stopped', node, stopped)
      confirmations.hear(node, taken)
    },
    takeHeartbeat: async (node, heartbeat) => {
      const stopped = await takeHeartbeat(store, node, heartbeat, now())
      if (stopped > 0) counts.add('stopped', node, stopped)
    },
    startClock: () => {
      const watch = openWatch(store, parts.sources.states, () => followed)
      const timers = [
        every(1_000, parts.log, () => expire(store, now())),
        every(1_000, parts.log, () => review.timeOut()),
        every(1_000, parts.log, () => rollOut()),
        every(1_000, parts.log, () => renew()),
        every(headIntervalMs, parts.log, () => publishHeads(store, hub, keys, now())),
        every(60_000, parts.log, () => parts.sources.look()),
        every(60_000, parts.log, async () => snapshots.letGo()),
        every(5_000, parts.log, () => feeds.look()),
        every(15_000, parts.log, () => watch.look(now())),
        every(3_600_000, parts.log, () => prune(store, now())),
        every(3_600_000, parts.log, () =>
          retain(store, parts.retention, now(), { readers: parts.journalReaders }),
        ),
      ]
      return () => timers.forEach(clearInterval)
    },
  }
}

const noCountries: Countries = {
  networks: async () => {
    throw new Problem('not_found', 'none is set')
  },
}

/** A failure is logged and the next turn tries again: the store being full must not stop the clock. */
function every(ms: number, log: Logger, work: () => Promise<unknown>): NodeJS.Timeout {
  let busy = false
  return setInterval(async () => {
    if (busy) return
    busy = true
    try {
      await work()
    } catch (error) {
      log.error({ err: error }, 'work by the clock failed and is tried again')
    } finally {
      busy = false
    }
  }, ms)
}
