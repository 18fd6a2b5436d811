/** The whole way of a node on one screen: remember, enforce, then follow, verify, guard, enforce, report. */
import { setTimeout as sleep } from 'node:timers/promises'
import { toProblem } from '#contract/problem.ts'
import { acceptRemembered } from './accept.ts'
import type { Resolve } from './belonging.ts'
import type { LocalClock } from './clock.ts'
import type { ConnectTo, Service } from './connect.ts'
import { describeForPerson } from './describe.ts'
import type { Firewall } from './kernel/firewall.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import type { SensorTable } from './kernel/sensor-table.ts'
import { lockFolder } from './lock.ts'
import { watchLogins } from './logins.ts'
import { requireMembership } from './membership.ts'
import { makeParts, type Parts } from './parts.ts'
import { beginRounds } from './rounds.ts'
import type { AgentSettings } from './settings.ts'
import { type AgentStatus, serveStatus } from './status.ts'
import type { Places } from './surroundings.ts'

export type AgentOn = {
  version: string
  /** Before anything else: what has to be reached first. Says in what state it is. Throws when it cannot be. */
  prepare?(): Promise<string>
  firewall(): Promise<Firewall>
  /** Where standing rules go. Absent, or undefined: nowhere, and they are refused. */
  posture?(firewall: Firewall): Promise<PostureTable | undefined>
  /** Where port scans are seen; absent or undefined: nowhere. */
  sensor?(firewall: Firewall): Promise<SensorTable | undefined>
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
  /** Absent: the system's resolver. */
  resolve?: Resolve
}

export type Agent = {
  status(): AgentStatus
  /** Resolves when nothing waits on this node. */
  settled(): Promise<void>
  /** Ends the agent; the blocks stay in the kernel until their ends. */
  stop(): Promise<void>
}

/**
 * Resolves when the kernel holds what the node remembers; the network comes after. Throws `conflict` when the node
 * is not enrolled or another agent works with its state folder, and what the settings, the state folder and the choice of
 * the firewall throw.
 */
export async function runAgent(settings: AgentSettings, on: AgentOn): Promise<Agent> {
  requireMembership(settings.state_dir)
  const unlock = lockFolder(settings.state_dir)
  try {
    return await begin(settings, on, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

async function begin(settings: AgentSettings, on: AgentOn, unlock: () => void): Promise<Agent> {
  await on.prepare?.()
  const parts = await makeParts(settings, on)
  const {
    enforcer,
    feeds,
    postures,
    remembered,
    firewall,
    healer,
    belonging,
    record,
    catchUp,
    follower,
  } = parts
  acceptRemembered(enforcer.accepting, remembered)
  await enforcer.replace()
  await parts.sensor.begin()
  feeds.load()
  await postures.begin()
  parts.deadMan.start()
  parts.tidy.begun(remembered.claims.length)
  const unwatch = firewall.watch((what) => healer.disturbed(what))
  const endRounds = beginRounds(parts, settings.heartbeat)
  const unwatchLogins = watchLogins(on.places, parts.courses.look)
  const status = () => describe(parts)
  const closeStatus = await serveStatus(settings.state_dir, status).catch((error: unknown) => {
    // Nobody can ask then, but what the node is for goes on.
    on.say(`no status socket: ${toProblem(error).message} (${String(error)})`)
    return () => {}
  })
  for (const audience of belonging.audiences)
    if (!record.standing(audience)) catchUp.need(audience, false)
  const following = follower.run()
  return {
    status,
    settled: async () => {
      await enforcer.settled()
      await feeds.settled()
      await postures.settled()
      await parts.sensor.settled()
    },
    stop: async () => {
      unwatch()
      endRounds()
      unwatchLogins()
      await end(parts, following)
      closeStatus()
      await firewall.close()
      unlock()
    },
  }
}

/** What is under way is finished; what is remembered and in the kernel stays. */
async function end(parts: Parts, following: Promise<void>): Promise<void> {
  parts.heads.stop()
  parts.heart.stop()
  parts.deadMan.stop()
  parts.tidy.stop()
  parts.follower.stop()
  parts.catchUp.stop()
  parts.service.close()
  await Promise.race([following, sleep(1_000, undefined, { ref: false })])
  await parts.hits.stop()
  await parts.healer.stop()
  await parts.feeds.stop()
  await parts.postures.stop()
  await parts.sensor.stop()
  await parts.enforcer.stop()
  parts.courses.mark()
  parts.memory.close()
  await parts.reporter.stop()
}

function describe({ belonging, courses, described, lookout, reporter }: Parts): AgentStatus {
  const { node, url } = belonging.membership
  const healing = courses.lastHealing()
  const more = { node, service: url, ...(healing ? { last_healing: healing } : {}) }
  return describeForPerson(described, more, lookout, reporter)
}
