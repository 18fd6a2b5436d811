/** Gathers the facts for a batch of alerts within its transaction, so that alerts of one batch see each other. */
import { type Address, maybeAddress, widen } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { type Allowance, type Facts, historyLimit, type PastAlert } from '../decide/facts.ts'
import { victimOf } from '../decide/history.ts'
import { isNarrow } from '../decide/measure.ts'
import { type IntelligenceFact, nothingOutside, type Outside } from '../decide/outside.ts'
import type { Policy } from '../decide/policy.ts'
import type { FactSources } from '../facts/sources.ts'
import { offenderHistory } from '../store/alerts.ts'
import type { Decision } from '../store/decisions.ts'
import { hitsOf } from '../store/hits.ts'
import { allowing, standingDecisions } from '../store/in-force.ts'
import type { Reader, Writer } from '../store/store.ts'
import { countOffences } from '../store/tallies.ts'
import type { BlockCount } from './block-count.ts'
import type { Said } from './said.ts'

export type Gathered = {
  factsOf(alert: Alert): Facts
  offenderOf(alert: Alert): string | null
  standingOn(target: string): readonly Decision[]
  /** What was just decided belongs to the facts of the next alert of the batch. */
  remember(alert: Alert, decision: Decision): void
  /** Blocks among what was remembered. They are counted in the facts, and for all once they are on the disk. */
  blocksMade(): number
}

export type GatherParts = {
  policy(): Policy
  /** Networks of the service itself. */
  own(): readonly string[]
  blocks: BlockCount
  said: Said
  sources: FactSources
}

/** What providers said of the attacker of an alert, by alert id and provider. */
export type Given = ReadonlyMap<string, Readonly<Record<string, IntelligenceFact>>>

/** One query for each offender's history, one for all offences, one for all standing decisions. */
export async function gather(
  db: Reader | Writer,
  alerts: readonly Alert[],
  parts: GatherParts,
  given: Given,
  now: number,
): Promise<Gathered> {
  const policy = parts.policy()
  const offenders = new Map(alerts.map((alert) => [alert.id, offender(alert, policy)]))
  const span = { since: now - policy.historyMs, until: now + policy.maxClockAheadMs }
  const histories = await readHistories(db, unique([...offenders.values()]), span)
  const targets = unique(alerts.flatMap((alert) => targetsOf(alert, policy)))
  const offences = await countOffences(db, unique([...offenders.values()]))
  const standing = groupByTarget(await standingDecisions(db, targets, now))
  const allowances = (await allowing(db, now)).flatMap(toAllowance)
  const hits = policy.asksHits ? await lastHits(db, standing) : noHits
  const offenderOf = (alert: Alert) => offenders.get(alert.id) ?? null
  let made = 0
  return {
    offenderOf,
    blocksMade: () => made,
    standingOn: (target) => standing.get(target) ?? [],
    factsOf: (alert) => {
      const key = offenderOf(alert)
      const { blocksInForce, blocksLastMinute } = parts.blocks.now()
      return {
        history: (key !== null && histories.get(key)) || [],
        offences: key === null ? 0 : (offences.get(key) ?? 0) - inForce(standing, key),
        own: parts.own(),
        blocksInForce: blocksInForce + made,
        blocksLastMinute: blocksLastMinute + made,
        outside: outsideOf(alert, parts.sources, given),
        ignored: parts.said.ignored(alert, now),
        ...(allowances.length > 0 && { allowed: allowances }),
        lastHit: hits(targetsOf(alert, policy)),
        sheltered: parts.said.sheltered(),
      }
    },
    remember: (alert, decision) => {
      const key = offenderOf(alert)
      const past = toPast(alert)
      const history = past.at <= span.until && key !== null ? histories.get(key) : undefined
      history?.unshift(past)
      history?.splice(historyLimit)
      if (decision.target === null || decision.state === 'noted') return
      const others = (standing.get(decision.target) ?? []).filter(({ id }) => id !== decision.id)
      standing.set(decision.target, [...others, decision])
      const first = decision.alerts === 1 && decision.state === 'issued'
      if (first) made++
      if (first && key !== null) offences.set(key, (offences.get(key) ?? 0) + 1)
    },
  }
}

/** What allows but a part of the traffic takes no effect from a block of the rest. */
function toAllowance(decision: Decision): Allowance[] {
  const { target, direction, audience, notAfter, actor, note } = decision
  if (target === null || direction === null || isNarrow(decision)) return []
  const [who, reason] = [actor ?? 'somebody', note ?? '']
  return [{ target, direction, audience, until: notAfter ?? 0, actor: who, reason }]
}

type LastHit = (targets: readonly string[]) => number | undefined
const noHits: LastHit = () => undefined

/** When a node last stopped something by what is in force on any of the targets. */
async function lastHits(
  db: Reader | Writer,
  standing: ReadonlyMap<string, readonly Decision[]>,
): Promise<LastHit> {
  const decisions = [...standing.values()].flat()
  const hits = await hitsOf(db, unique(decisions.map(({ id }) => id)))
  return (targets) => {
    const times = targets.flatMap((target) =>
      (standing.get(target) ?? []).flatMap(({ id }) => hits.get(id)?.last ?? []),
    )
    return times.length === 0 ? undefined : Math.max(...times)
  }
}

function outsideOf(alert: Alert, sources: FactSources, given: Given): Outside {
  const attacker = maybeAddress(alert.attacker ?? '')
  if (!attacker) return nothingOutside
  return { ...sources.of(attacker), intelligence: given.get(alert.id) ?? {} }
}

/** What alerts and offences are counted under: the attacker as wide as the policy blocks by default. */
export function offender(alert: Alert, policy: Policy): string | null {
  const address = alert.attacker === undefined ? undefined : maybeAddress(alert.attacker)
  return address ? widen(address, defaultPrefix(address, policy)).text : null
}

/** All that any rule may block for this alert: its attacker, and the networks around it that rules name. */
function targetsOf({ attacker }: Alert, policy: Policy): string[] {
  const address = maybeAddress(attacker ?? '')
  if (!address) return []
  return policy.prefixes[address.family].map((prefix) => widen(address, prefix).text)
}

function defaultPrefix(address: Address, policy: Policy): number {
  return policy.defaults.prefix[address.family]
}

async function readHistories(
  db: Reader | Writer,
  offenders: readonly string[],
  span: { since: number; until: number },
): Promise<Map<string, PastAlert[]>> {
  const histories = new Map<string, PastAlert[]>()
  for (const key of offenders) histories.set(key, await offenderHistory(db, key, span))
  return histories
}

/** The block that is in force is not an earlier offence: its attacker has not come back yet. */
function inForce(standing: ReadonlyMap<string, readonly Decision[]>, key: string): number {
  const held = standing
    .get(key)
    ?.filter(({ state, measure }) => state !== 'waiting' && measure.action !== 'allow')
  return held && held.length > 0 ? 1 : 0
}

function groupByTarget(decisions: readonly Decision[]): Map<string, Decision[]> {
  const grouped = new Map<string, Decision[]>()
  for (const decision of decisions)
    if (decision.target !== null)
      grouped.set(decision.target, [...(grouped.get(decision.target) ?? []), decision])
  return grouped
}

/** An alert as the history of its attacker keeps it. */
export function toPast(alert: Alert): PastAlert {
  return {
    at: Date.parse(alert.observed),
    rule: alert.rule.id,
    count: alert.count,
    ...(alert.victim?.port !== undefined && { port: alert.victim.port }),
    ...(alert.user !== undefined && { user: alert.user }),
    victim: victimOf(alert),
  }
}

function unique(values: Iterable<string | null | undefined>): string[] {
  return [...new Set(values)].filter((value): value is string => typeof value === 'string')
}
