/** The whole way of a node on one screen: remember, enforce, then follow, verify, guard, enforce, report. */
import { setTimeout as sleep } from 'node:timers/promises'
import { audiencesOf, printCursor } from '#contract/audience.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { acceptRemembered } from './accept.ts'
import { CatchUp } from './catch-up.ts'
import { Clock, type LocalClock, timeAtStart } from './clock.ts'
import type { ConnectTo, Service } from './connect.ts'
import { describeForPerson, describeForService } from './describe.ts'
import { Enforcer } from './enforce.ts'
import { Follower, type Hello, type ResyncReason } from './follow.ts'
import { Heads } from './heads.ts'
import { Healer } from './heal.ts'
import { bearer, makeIdentity } from './identity.ts'
import type { Firewall } from './kernel/firewall.ts'
import { Keyring } from './keys.ts'
import { Lookout } from './lookout.ts'
import { type Membership, requireMembership, writeMembership } from './membership.ts'
import { Memory } from './memory.ts'
import { Recorder } from './record.ts'
import { Reporter } from './report.ts'
import { wholeState } from './resync.ts'
import type { AgentSettings } from './settings.ts'
import { type AgentStatus, serveStatus } from './status.ts'
import type { Places } from './surroundings.ts'
import { Troubles } from './troubles.ts'
import { verifyHead } from './verify.ts'
import { Wished } from './wished.ts'

export type AgentOn = {
  version: string
  firewall(): Promise<Firewall>
  connect(to: ConnectTo): Service
  places: Places
  local(): LocalClock
  /** Milliseconds that only go forward. */
  monotonic(): number
  random(): number
  nonce(): string
  /** One line for the log. */
  say(line: string): void
  interfaces?: () => string[]
}

export type Agent = {
  status(): AgentStatus
  /** Resolves when nothing waits on this node. */
  settled(): Promise<void>
  /** Ends the agent; the blocks stay in the kernel until their ends. */
  stop(): Promise<void>
}

const lookAgainMs = 30_000
const jumpMs = 1_000

/**
 * Resolves when the kernel holds what the node remembers; the network comes after. Throws `conflict` when the node
 * is not enrolled, and what the settings, the state folder and the choice of the firewall throw.
 */
export async function runAgent(settings: AgentSettings, on: AgentOn): Promise<Agent> {
  let membership = requireMembership(settings.state_dir)
  const identity = makeIdentity(settings.state_dir)
  const memory = new Memory(settings.state_dir)
  const remembered = memory.load()
  const clock = new Clock(on.monotonic, timeAtStart(remembered.clock, on.local()))
  const now = () => clock.now()
  const started = now()
  const troubles = new Troubles(on.say)
  const wished = new Wished()
  const record = new Recorder(
    {
      memory,
      wished,
      clock,
      local: on.local,
      trouble: (error) => troubles.set('disk', toProblem(error)),
    },
    remembered.standings,
  )

  const keep = (change: Partial<Membership>) => {
    membership = { ...membership, ...change }
    try {
      writeMembership(settings.state_dir, membership)
    } catch (error) {
      troubles.set('disk', toProblem(error))
    }
  }
  const sign = bearer(membership.node, identity, membership.issuer)
  const service = on.connect({
    url: membership.url,
    tls: membership.tls,
    token: () => sign(now()),
    heard: (address, date) => {
      if (date !== undefined) clock.suggest(date)
      if (address !== undefined && !membership.addresses.includes(address)) meet(address)
    },
  })
  const lookout = new Lookout({
    settings,
    places: on.places,
    service: () => membership.addresses,
    ...(on.interfaces ? { interfaces: on.interfaces } : {}),
  })
  const keyring = new Keyring(
    {
      ask: () => service.ask('GET', '/v1/keys'),
      store: ({ keys, announced }) => keep({ keys, announced }),
      monotonic: on.monotonic,
    },
    membership,
  )
  const trust = () => keyring.trust
  const learnKeys = () => keyring.learn()
  let audiences = new Set(audiencesOf(membership.node, membership.groups))

  lookout.look()
  const firewall = await on.firewall()
  let lastHealing: AgentStatus['last_healing']
  const reporter = new Reporter({
    service,
    now,
    monotonic: on.monotonic,
    measured,
    state: () => describeForService(described),
  })
  const enforcer = new Enforcer({
    firewall,
    wished,
    record,
    now,
    here: () => lookout.here,
    ceilings: settings,
    trust,
    audiences: () => audiences,
    learnKeys,
    waiting: (audience) => catchUp.needs(audience),
    lost,
    distrust,
    taken: trusted,
    report: (answers) => reporter.answers(answers),
    health,
  })
  const catchUp = new CatchUp({
    fetch: (audience, lostPast) =>
      wholeState(
        { service, accept: enforcer.accepting, trust, learnKeys, nonce: on.nonce },
        audience,
        lostPast,
      ),
    load: (load) => enforcer.load(load),
    caughtUp: (audience, { standing, claims }) =>
      reporter.event(
        'resynchronised',
        `${audience} is at ${standing?.epoch}:${standing?.seq} with ${claims.length} blocks`,
      ),
  })
  const heads = new Heads({
    verify: (jws) => verifyHead(jws, trust(), audiences, now()),
    learnKeys,
    standing: (audience) => record.standing(audience),
    waiting: (audience) => catchUp.needs(audience),
    alive: trusted,
    lost,
    distrust,
    withheld: (audience, missing) => {
      reporter.event('head_withheld', `${missing} envelopes of ${audience} did not come`)
      need(audience, false)
    },
  })
  const follower = new Follower({
    service,
    cursor,
    catchUp: () => catchUp.run(),
    envelope: (jws) => enforcer.take(jws),
    head: (jws) => void heads.take(jws),
    hello: greet,
    groups: follow,
    resync: (audience: string, reason: ResyncReason) => {
      if (audiences.has(audience)) need(audience, reason === 'ahead' || reason === 'fork')
    },
    state: reach,
    monotonic: on.monotonic,
    random: on.random,
  })
  const healer = new Healer({
    heal: async () => {
      look()
      // A dry run has nothing that somebody could have changed, and would print it all again.
      if (!firewall.enforcing) return true
      await enforcer.replace()
      return enforcer.problem === undefined
    },
    healed: (why) => {
      lastHealing = { at: now(), why }
      on.say(`healed: ${why}`)
      reporter.event('healed', why)
    },
    monotonic: on.monotonic,
  })

  const { version, local } = on
  const described = { version, started, firewall, enforcer, wished, clock, local, troubles, cursor }

  function cursor(): string {
    return printCursor(
      new Map([...record.standings].filter(([audience]) => audiences.has(audience))),
    )
  }
  function health(problem: Problem | undefined): void {
    troubles.set('kernel', problem)
    reporter.event(
      problem ? 'degraded' : 'recovered',
      problem?.message ?? 'the kernel holds what is wished',
    )
    if (problem) healer.disturbed(problem.message)
  }
  function measured(time: number, roundTripMs: number): void {
    // The kernel counts remaining times, which were worked out with the clock as it was.
    if (Math.abs(clock.measure(time, roundTripMs)) > jumpMs) void enforcer.replace()
  }
  function meet(address: string): void {
    keep({ addresses: [...membership.addresses, address].slice(-8) })
    look()
  }
  function look(): void {
    try {
      const change = lookout.look()
      troubles.set('guard', undefined)
      if (change === '') return
      reporter.event('guard_changed', change)
      void enforcer.protect()
    } catch (error) {
      troubles.set('guard', toProblem(error))
    }
  }
  function lost(audience: string, problem: Problem): void {
    if (catchUp.needs(audience)) return
    on.say(`${audience}: ${problem.message}; asking for the whole state`)
    need(audience, problem.code === 'envelope_fork' || problem.code === 'envelope_epoch')
  }
  function need(audience: string, lostPast: boolean): void {
    catchUp.need(audience, lostPast)
    const again = (problem?: Problem) => {
      enforcer.discard()
      follower.reconnect(problem)
    }
    catchUp.run().then(
      () => again(),
      (error: unknown) => again(toProblem(error)),
    )
  }
  function trusted(): void {
    troubles.set('trust', undefined)
    follower.alive()
  }
  function distrust(problem: Problem): void {
    troubles.set('trust', problem)
    follower.reconnect(problem)
  }
  function greet(hello: Hello, roundTripMs: number): void {
    measured(hello.time, roundTripMs)
    follow(hello.groups)
  }
  function follow(groups: readonly string[]): void {
    const next = new Set(audiencesOf(membership.node, groups))
    const gone = [...audiences].filter((audience) => !next.has(audience))
    const come = [...next].filter((audience) => !audiences.has(audience))
    if (gone.length + come.length === 0) return
    audiences = next
    keep({ groups: [...groups] })
    for (const audience of gone) {
      catchUp.forget(audience)
      void enforcer.load({ audience, standing: undefined, claims: [], answers: [] })
    }
    for (const audience of come) need(audience, false)
  }
  function reach(problem: Problem | undefined): void {
    const was = troubles.get('service')
    troubles.set('service', problem)
    if (problem) return
    reporter.reachable()
    beat()
    if (was) healer.afterOutage()
  }
  function beat(): void {
    record.mark()
    reporter.heartbeat().catch(() => {
      // The stream's own trouble says it; the next heartbeat carries the same events.
    })
  }

  acceptRemembered(enforcer.accepting, remembered.claims)
  await enforcer.replace()
  const unwatch = firewall.watch((what) => healer.disturbed(what))
  const timers = [
    setInterval(look, lookAgainMs).unref(),
    setInterval(() => {
      record.mark()
      if (!troubles.get('service')) beat()
    }, settings.heartbeat).unref(),
  ]
  const closeStatus = await serveStatus(settings.state_dir, status).catch((error: unknown) => {
    // Nobody can ask then, but what the node is for goes on.
    on.say(`no status socket: ${toProblem(error).message} (${String(error)})`)
    return () => {}
  })
  for (const audience of audiences) if (!record.standing(audience)) catchUp.need(audience, false)
  const following = follower.run()

  function status(): AgentStatus {
    const healing = lastHealing ? { last_healing: lastHealing } : {}
    const more = { node: membership.node, service: membership.url, ...healing }
    return describeForPerson(described, more, lookout, reporter)
  }

  return {
    status,
    settled: () => enforcer.settled(),
    stop: async () => {
      unwatch()
      for (const timer of timers) clearInterval(timer)
      heads.stop()
      follower.stop()
      service.close()
      await Promise.race([following, sleep(1_000, undefined, { ref: false })])
      await healer.stop()
      await enforcer.stop()
      record.mark()
      memory.close()
      await reporter.stop()
      closeStatus()
      await firewall.close()
    },
  }
}
