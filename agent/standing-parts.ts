/** The parts for what is no order: lists that are enforced as a whole, standing rules, and the sensor of port scans. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contact } from './contact.ts'
import { FeedMemory } from './feed-memory.ts'
import { Feeds } from './feeds.ts'
import { askFresh } from './fresh.ts'
import type { Firewall } from './kernel/firewall.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import type { SensorTable } from './kernel/sensor-table.ts'
import type { Lookout } from './lookout.ts'
import type { Making } from './parts.ts'
import { Postures } from './posture.ts'
import { PostureMemory } from './posture-memory.ts'
import { Sensor } from './sensor.ts'
import { portServedHere } from './served-here.ts'
import { ownAddresses } from './surroundings.ts'

/** Where there are none, nothing holds the rules, or sees. */
type Tables = { posture: PostureTable | undefined; sensor: SensorTable | undefined }

export type StandingParts = { feeds: Feeds; postures: Postures; sensor: Sensor }

/** The service answers within this, or it was not reached. */
const reachMs = 5_000

/** Throws what the state folder throws. */
export function makeStandingParts(
  { settings, on, belonging, clock, troubles, wished, courses, now, parts }: Making,
  { service, keyring, to }: Contact,
  { firewall, lookout, tables }: { firewall: Firewall; lookout: Lookout; tables: Tables },
): StandingParts {
  const { monotonic } = on
  const here = () => lookout.here
  const interfaces = on.interfaces ?? ownAddresses
  const changed = () => parts().heart.soon()
  const brought = (networks: number) => parts().tidy.after(networks)
  const statements = {
    trust: () => keyring.trust,
    learnKeys: () => keyring.learn(),
    audiences: () => belonging.audiences,
  }
  const feeds = new Feeds({
    ...{ ...statements, firewall, service, here, now, monotonic, brought, changed },
    memory: new FeedMemory(settings.state_dir),
    mostEntries: settings.max_feed_entries,
    health: courses.feeds,
  })
  const postures = new Postures({
    ...{ ...statements, service, here, now, monotonic, brought, changed },
    memory: new PostureMemory(settings.state_dir),
    table: tables.posture,
    scopes: wished.scopes,
    reach: (body) => askFresh(on.connect(to), reachMs, '/v1/posture/receipt', body),
    servicePort: () => portServedHere(to.url, belonging.addresses, interfaces()),
    mostNetworks: settings.max_feed_entries,
    timeIsKnown: () => !clock.disputed,
    pause: pauseUnlessStopped,
    health: courses.posture,
  })
  const sensor = new Sensor({
    ...{ settings, service, here, interfaces, now, monotonic },
    table: tables.sensor,
    health: (problem) => troubles.set('sensor', problem),
  })
  return { feeds, postures, sensor }
}

async function pauseUnlessStopped(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop, ref: false }).catch(() => {})
}
