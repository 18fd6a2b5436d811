/** The parts of an agent, made and joined. Nothing runs yet, and nothing is decided here. */
import { printCursor } from '#contract/audience.ts'
import { toProblem } from '#contract/problem.ts'
import type { Judging } from './accept.ts'
import type { AgentOn } from './agent.ts'
import { type Contact, makeContact } from './contact.ts'
import { type Courses, coursesOf } from './courses.ts'
import { type Described, describeForService } from './describe.ts'
import type { Follower } from './follow.ts'
import { type Ground, makeGround } from './ground.ts'
import { Healer } from './heal.ts'
import { Heart } from './heart.ts'
import { Hits } from './hits.ts'
import type { Firewall } from './kernel/firewall.ts'
import { Lookout } from './lookout.ts'
import { lookingFirst, looksOf } from './looks.ts'
import { makeOrderParts, type OrderParts } from './order-parts.ts'
import { Reporter } from './report.ts'
import type { AgentSettings } from './settings.ts'
import { makeStandingParts, type StandingParts } from './standing-parts.ts'
import { makeFollower } from './stream-part.ts'
import { giveBack, Tidy } from './tidy.ts'
import type { Troubles } from './troubles.ts'
import { wholeStates } from './whole-states.ts'

export type Parts = Ground &
  Contact &
  OrderParts &
  StandingParts & {
    lookout: Lookout
    firewall: Firewall
    reporter: Reporter
    follower: Follower
    healer: Healer
    heart: Heart
    tidy: Tidy
    hits: Hits
    described: Described
    courses: Courses
  }

/** What all parts are made with. */
export type Making = Ground & {
  settings: AgentSettings
  on: AgentOn
  courses: Courses
  /** The service's clock. */
  now(): number
  /** What is protected here may have changed. */
  look(): void
  /** Asked for only when there is news: some of them are not made yet. */
  parts(): Parts
}

/**
 * Throws `conflict` when the node is not enrolled, and what the settings, the state folder and the choice of the
 * firewall throw.
 */
export async function makeParts(settings: AgentSettings, on: AgentOn): Promise<Parts> {
  const ground = makeGround(settings.state_dir, on)
  const { belonging, clock, troubles, wished } = ground
  const lookout = new Lookout({
    settings,
    places: on.places,
    service: () => belonging.addresses,
    ...(on.interfaces ? { interfaces: on.interfaces } : {}),
  })
  // Before the firewall is touched: a protect file that cannot be read is no start.
  lookout.look()
  /** Until there are parts that have to hear of it. */
  let look = () => glance(lookout, troubles)
  const joined = coursesOf(() => parts, on.say)
  const plain = { ...joined, look: () => look() }
  const looks = looksOf(ground, plain, () => parts, on)
  const courses = lookingFirst(plain, looks)
  const now = () => clock.now()
  const making: Making = {
    ...{ ...ground, settings, on, courses, now },
    ...{ look: plain.look, parts: () => parts },
  }
  const contact = makeContact(making)
  const opening = open(on)
  const expresses = async () => (await opening).firewall.expresses
  const judging: Judging = {
    now,
    here: () => lookout.here,
    ceilings: settings,
    refuses: (order, target) => contact.deadMan.refusal(order, target),
  }
  const states = wholeStates(making, contact, { judging, looks, expresses })
  // What is remembered is enforced before anything is asked for.
  const [first] = ground.record.standings.size === 0 ? belonging.audiences : []
  if (first !== undefined) states.askAhead(first)
  const { firewall, tables } = await opening.catch((error: unknown) => {
    contact.service.close()
    throw error
  })
  const made = { firewall, judging, lookout, looks, states, tables }
  const { monotonic, version } = on
  const heart = new Heart({ beat: courses.tell, monotonic })
  const reporter = new Reporter({
    service: contact.service,
    now,
    monotonic,
    measured: (time, roundTripMs) => {
      courses.measured(time, roundTripMs)
      looks.disputes()
    },
    state: () => ({ ...describeForService(described), interval_ms: settings.heartbeat }),
    heard: (heartbeat) => hits.told(heartbeat.hits ?? []),
    happened: () => heart.soon(),
    loading: () => orders.enforcer.loading,
  })
  const orders = makeOrderParts(making, contact, made)
  const standing = makeStandingParts(making, contact, made)
  const cursor = () =>
    printCursor(
      new Map([...ground.record.standings].filter(([one]) => belonging.audiences.has(one))),
    )
  const follower = makeFollower(making, contact, { ...orders, ...standing, looks, cursor })
  const healer = new Healer({ heal: courses.heal, healed: courses.healed, monotonic })
  const hits = new Hits({
    ...{ firewall, wished, now, monotonic },
    health: (problem) => troubles.set('hits', problem),
  })
  const idle = () => orders.enforcer.idle && reporter.idle
  const tidy = new Tidy({ idle, collect: giveBack })
  const { enforcer } = orders
  const { feeds, postures } = standing
  const described: Described = {
    ...{ version, started: now(), firewall, enforcer, feeds, postures, hits, wished, clock },
    ...{ local: on.local, troubles, cursor },
  }
  const parts: Parts = {
    ...{ ...ground, ...contact, ...orders, ...standing, lookout, firewall, reporter, follower },
    ...{ healer, heart, tidy, hits, described, courses },
  }
  look = joined.look
  return parts
}

async function open(on: AgentOn) {
  const firewall = await on.firewall()
  const posture = await on.posture?.(firewall)
  const sensor = await on.sensor?.(firewall)
  return { firewall, tables: { posture, sensor } }
}

function glance(lookout: Lookout, troubles: Troubles): void {
  try {
    lookout.look()
  } catch (error) {
    troubles.set('guard', toProblem(error))
  }
}
