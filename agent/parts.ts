/** The parts of an agent, made and joined in one place. Nothing runs yet, and nothing is decided here. */
import { setTimeout as sleep } from 'node:timers/promises'
import { printCursor } from '#contract/audience.ts'
import type { Problem } from '#contract/problem.ts'
import type { AgentOn } from './agent.ts'
import { Belonging } from './belonging.ts'
import { CatchUp } from './catch-up.ts'
import { Clock, timeAtStart } from './clock.ts'
import { type ConnectTo, resolveHost, type Service } from './connect.ts'
import { type Courses, coursesOf } from './courses.ts'
import { DeadMan } from './dead-man.ts'
import { type Described, describeForService } from './describe.ts'
import { Enforcer } from './enforce.ts'
import { FeedMemory } from './feed-memory.ts'
import { Feeds } from './feeds.ts'
import { Follower } from './follow.ts'
import { askFresh } from './fresh.ts'
import { Heads } from './heads.ts'
import { Healer } from './heal.ts'
import { Heart } from './heart.ts'
import { Hits } from './hits.ts'
import { bearer, makeIdentity } from './identity.ts'
import type { Firewall } from './kernel/firewall.ts'
import { Keyring } from './keys.ts'
import { Lookout } from './lookout.ts'
import { Memory, type Remembered } from './memory.ts'
import { Postures } from './posture.ts'
import { PostureMemory } from './posture-memory.ts'
import { Recorder } from './record.ts'
import { Reporter } from './report.ts'
import { wholeState } from './resync.ts'
import { Sensor } from './sensor.ts'
import { portServedHere } from './served-here.ts'
import type { AgentSettings } from './settings.ts'
import { issuedAt } from './signature.ts'
import { ownAddresses } from './surroundings.ts'
import { collectGarbage, Tidy } from './tidy.ts'
import { Troubles } from './troubles.ts'
import { readHead, verifyHead } from './verify.ts'
import { Wished } from './wished.ts'

export type Parts = Ground & {
  service: Service
  lookout: Lookout
  keyring: Keyring
  firewall: Firewall
  reporter: Reporter
  enforcer: Enforcer
  catchUp: CatchUp
  heads: Heads
  follower: Follower
  healer: Healer
  heart: Heart
  feeds: Feeds
  postures: Postures
  sensor: Sensor
  tidy: Tidy
  hits: Hits
  described: Described
  courses: Courses
  deadMan: DeadMan
}

/** What the parts stand on: the state folder and the clock. */
export type Ground = {
  belonging: Belonging
  clock: Clock
  troubles: Troubles
  memory: Memory
  record: Recorder
  wished: Wished
  /** What the memory held at the start. */
  remembered: Remembered
}

const keysMs = 5_000
/** The service answers within this, or it was not reached. */
const reachMs = 5_000

function makeGround(folder: string, on: AgentOn): Ground {
  const troubles = new Troubles(on.say)
  const belonging = new Belonging(folder, (problem) => troubles.set('membership', problem))
  const memory = new Memory(folder)
  const remembered = memory.load()
  const signed = [...remembered.standings.values()].map(({ statement }) => issuedAt(statement))
  const clock = new Clock(on.monotonic, timeAtStart(remembered.clock, on.local()), {
    uptime: () => on.local().uptime,
    signed: Math.max(0, ...signed),
  })
  const wished = new Wished()
  const trouble = (problem: Problem) => troubles.set('disk', problem)
  const well = () => troubles.set('disk', undefined)
  const recording = { memory, wished, clock, local: on.local, trouble, well }
  const record = new Recorder(recording, remembered)
  return { belonging, clock, troubles, memory, record, wished, remembered }
}

/**
 * Throws `conflict` when the node is not enrolled, and what the settings, the state folder and the choice of the
 * firewall throw.
 */
export async function makeParts(settings: AgentSettings, on: AgentOn): Promise<Parts> {
  const ground = makeGround(settings.state_dir, on)
  const { belonging, clock, troubles, record, wished } = ground
  const { monotonic, local, version } = on
  const plain = coursesOf(() => parts, on.say)
  const courses = lookingFirst(plain, () => {
    awake()
    void lookUp(false)
  })
  const awake = () => {
    const slept = clock.wake()
    if (slept === 0) return
    on.say(
      `the machine slept for ${Math.round(slept / 1_000)} s; the blocks get the time that is left`,
    )
    void enforcer.replace()
    feeds.load()
  }
  const lookUp = async (soon: boolean) => {
    const news = await belonging.lookUp(on.resolve ?? resolveHost, monotonic(), soon)
    if (news) plain.look()
  }
  const now = () => clock.now()
  const trust = () => keyring.trust
  const learnKeys = () => keyring.learn()
  const waiting = (audience: string) => catchUp.needs(audience)
  const { lost, distrust, trusted } = courses
  const attest = (signed: number) => {
    awake()
    if (clock.attest(signed)) courses.measured(signed, 0)
  }
  let disputed = false
  const disputes = () => {
    if (clock.disputed && !disputed)
      on.say('the service tells another time than it signs; the clock of the blocks stays as it is')
    disputed = clock.disputed
  }
  const cursor = () =>
    printCursor(new Map([...record.standings].filter(([one]) => belonging.audiences.has(one))))

  const to = serviceOf(settings.state_dir, ground, courses)
  const deadMan = new DeadMan({
    folder: settings.state_dir,
    times: { windowMs: settings.dead_man_window, afterMs: settings.dead_man_after },
    accept: () => enforcer.accepting,
    changed: () => void enforcer.changed(),
    ask: (withinMs) => askFresh(on.connect(to), withinMs, '/v1/keys'),
    now,
    monotonic,
    event: (kind, detail) => reporter.event(kind, detail),
    trouble: (problem) => troubles.set('disk', problem),
    need: courses.need,
  })
  const service = deadMan.watching(on.connect(to))
  const lookout = new Lookout({
    settings,
    places: on.places,
    service: () => belonging.addresses,
    ...(on.interfaces ? { interfaces: on.interfaces } : {}),
  })
  const keyring = new Keyring(
    {
      // What came over the stream waits for this.
      ask: () => service.ask('GET', '/v1/keys', { signal: AbortSignal.timeout(keysMs) }),
      store: ({ keys, announced }) => belonging.keep({ keys, announced }),
      monotonic,
      now,
    },
    belonging.membership,
  )
  // Before the firewall is touched: a protect file that cannot be read is no start.
  lookout.look()
  const firewall = await on.firewall()
  const heart = new Heart({ beat: courses.tell, monotonic })
  const reporter = new Reporter({
    service,
    now,
    monotonic,
    measured: (time, roundTripMs) => {
      courses.measured(time, roundTripMs)
      disputes()
    },
    state: () => ({ ...describeForService(described), interval_ms: settings.heartbeat }),
    heard: (heartbeat) => hits.told(heartbeat.hits ?? []),
    happened: () => heart.soon(),
    loading: () => enforcer.loading,
  })
  const enforcer = new Enforcer({
    firewall,
    wished,
    record,
    now,
    here: () => lookout.here,
    ceilings: settings,
    trust,
    audiences: () => belonging.audiences,
    learnKeys,
    waiting,
    lost,
    distrust,
    taken: trusted,
    refuses: (order, target) => deadMan.refusal(order, target),
    report: (answers) => {
      deadMan.applied(answers)
      reporter.answers(answers)
    },
    health: courses.health,
    emptied: courses.emptied,
  })
  const stateTrust = () => ({ ...keyring.trust, mostBlocks: settings.max_blocks })
  const accept = enforcer.accepting
  const state = { service, accept, trust: stateTrust, learnKeys, nonce: on.nonce }
  const catchUp = new CatchUp({
    fetch: (audience, lostPast) => wholeState(state, audience, lostPast),
    load: (load) => enforcer.load(load),
    caughtUp: courses.caughtUp,
    failing: courses.failing,
    retry: () => void courses.fetchStates(),
    random: on.random,
  })
  const heads = new Heads({
    verify: (jws) => {
      attest(readHead(jws, trust()).iat * 1_000)
      return verifyHead(jws, trust(), belonging.audiences, now())
    },
    learnKeys,
    standing: (audience) => record.standing(audience),
    waiting,
    alive: trusted,
    lost,
    distrust,
    withheld: courses.withheld,
  })
  const feeds = new Feeds({
    ...{ firewall, service, trust, learnKeys, now, monotonic },
    memory: new FeedMemory(settings.state_dir),
    audiences: () => belonging.audiences,
    here: () => lookout.here,
    mostEntries: settings.max_feed_entries,
    health: courses.feeds,
    brought: (networks) => tidy.after(networks),
    changed: () => heart.soon(),
  })
  const postures = new Postures({
    ...{ service, trust, learnKeys, now, monotonic },
    memory: new PostureMemory(settings.state_dir),
    table: on.posture?.(firewall),
    reach: (body) => askFresh(on.connect(to), reachMs, '/v1/posture/receipt', body),
    audiences: () => belonging.audiences,
    here: () => lookout.here,
    servicePort: () =>
      portServedHere(to.url, belonging.addresses, (on.interfaces ?? ownAddresses)()),
    mostNetworks: settings.max_feed_entries,
    timeIsKnown: () => !clock.disputed,
    pause: pauseUnlessStopped,
    health: courses.posture,
    changed: () => heart.soon(),
    brought: (networks) => tidy.after(networks),
  })
  const sensor = new Sensor({
    ...{ settings, service, now, monotonic },
    table: on.sensor?.(firewall),
    here: () => lookout.here,
    interfaces: on.interfaces ?? ownAddresses,
    health: (problem) => troubles.set('sensor', problem),
  })
  const follower = new Follower({
    service,
    cursor,
    catchUp: () => {
      void lookUp(true)
      return catchUp.run()
    },
    envelope: (jws) => enforcer.take(jws),
    head: (jws) => void heads.take(jws),
    feeds: (jws) => void feeds.take(jws),
    posture: (jws) => void postures.take(jws),
    hello: (hello, roundTripMs) => {
      courses.greet(hello, roundTripMs)
      disputes()
    },
    groups: courses.follow,
    resync: courses.resync,
    state: courses.reach,
    settled: () => Promise.all([enforcer.settled(), keyring.settled()]),
    monotonic,
    random: on.random,
  })
  const healer = new Healer({ heal: courses.heal, healed: courses.healed, monotonic })
  const idle = () => enforcer.idle && reporter.idle
  const hits = new Hits({
    ...{ firewall, wished, now, monotonic },
    health: (problem) => troubles.set('hits', problem),
  })
  const tidy = new Tidy({ idle, collect: collectGarbage })
  const started = now()
  const described: Described = {
    ...{
      version,
      started,
      firewall,
      enforcer,
      feeds,
      postures,
      hits,
      wished,
      clock,
      local,
      troubles,
      cursor,
    },
  }
  const parts: Parts = {
    ...ground,
    ...{ service, lookout, keyring, firewall, reporter, enforcer, catchUp, heads },
    ...{
      follower,
      healer,
      heart,
      feeds,
      postures,
      sensor,
      tidy,
      hits,
      described,
      courses,
      deadMan,
    },
  }
  return parts
}

/**
 * What happens anyhow is the time to look at what nobody tells: that the machine slept, in which the kernel's timers
 * stand still, and that the service's name leads elsewhere.
 */
function lookingFirst(courses: Courses, look: () => void): Courses {
  return {
    ...courses,
    look: () => {
      look()
      courses.look()
    },
    tell: () => {
      look()
      courses.tell()
    },
    reach: (problem) => {
      look()
      courses.reach(problem)
    },
  }
}

async function pauseUnlessStopped(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop, ref: false }).catch(() => {})
}

function serviceOf(folder: string, { belonging, clock }: Ground, courses: Courses): ConnectTo {
  const { node, issuer, url, tls } = belonging.membership
  const sign = bearer(node, makeIdentity(folder), issuer)
  return {
    url,
    tls,
    token: () => sign(clock.tokenTime()),
    heard: (address, date) => {
      if (date !== undefined) clock.suggest(date)
      if (address !== undefined) courses.meet(address)
    },
  }
}
