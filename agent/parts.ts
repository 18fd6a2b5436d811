/** The parts of an agent, made and joined. Nothing runs yet, and nothing is decided here. */
import { printCursor } from '#contract/audience.ts'
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
  const plain = coursesOf(() => parts, on.say)
  const looks = looksOf(ground, plain, () => parts, on)
  const courses = lookingFirst(plain, looks)
  const now = () => clock.now()
  const making: Making = { ...ground, settings, on, courses, now, parts: () => parts }
  const contact = makeContact(making)
  const lookout = new Lookout({
    settings,
    places: on.places,
    service: () => belonging.addresses,
    ...(on.interfaces ? { interfaces: on.interfaces } : {}),
  })
  // Before the firewall is touched: a protect file that cannot be read is no start.
  lookout.look()
  const firewall = await on.firewall()
  const posture = await on.posture?.(firewall)
  const sensor = await on.sensor?.(firewall)
  const made = { firewall, lookout, looks, tables: { posture, sensor } }
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
  return parts
}
