/** What the stored alerts of a time show, gathered for whoever has something to propose. */
import { addressScope } from '#contract/address.ts'
import { signatureOf } from '../decide/case.ts'
import {
  type Answered,
  answeredIn,
  countAlertsIn,
  readAlertsIn,
  type Span,
} from '../store/replay.ts'
import type { Reader } from '../store/store.ts'
import type { Hear } from './replay.ts'
import { openReplayedReader, type Replayed } from './replayed.ts'

export type SeenSignature = {
  signature: string
  source: string
  rule: string
  name: string
  alerts: number
  severity: number
  /** Alerts that a rule of the policy had a word about. */
  ruled: number
  attackers: Set<string>
}

export type SeenAttacker = {
  address: string
  private: boolean
  alerts: number
  /** Of groups that name scans. */
  scans: number
  /** Alerts that ended in a block or a question, or had done so but for a trial. */
  wanted: number
  severity: number
  /** Days since 1970, and hours of the day, in UTC. */
  days: Set<number>
  hours: Set<number>
  trustedBy: Set<string>
}

export type SeenTrial = { rule: string; alerts: number; attackers: Set<string> }

export type Observed = {
  signatures: Map<string, SeenSignature>
  /** Only those of private networks, of scans, or that a provider trusts: not every attacker there is. */
  attackers: Map<string, SeenAttacker>
  trials: Map<string, SeenTrial>
  /** Blocks that each rule made. */
  blocks: Map<string, number>
  wanted: Set<string>
  /** What people answered; the clock is nobody. */
  answered: Answered[]
}

/** Attackers of one signature that are told apart, and attackers that are looked at one by one. */
export const mostAttackers = 10_000

const scan = /scan|recon|discover|probe/i

export async function observe(db: Reader, span: Span, hear: Hear): Promise<Observed> {
  const observed: Observed = {
    signatures: new Map(),
    attackers: new Map(),
    trials: new Map(),
    blocks: new Map(),
    wanted: new Set(),
    answered: (await answeredIn(db, span)).filter(({ actor }) => isPerson(actor)),
  }
  const read = openReplayedReader()
  const total = await countAlertsIn(db, span)
  let done = 0
  const blocks = new Set<string>()
  for await (const rows of readAlertsIn(db, span)) {
    for (const row of rows) {
      const replayed = read(row)
      seeSignature(observed, replayed)
      if (replayed.attacker) seeAttacker(observed, replayed, replayed.attacker.text)
      if (row.outcome !== 'block' || row.rule === null || blocks.has(row.decision)) continue
      blocks.add(row.decision)
      observed.blocks.set(row.rule, (observed.blocks.get(row.rule) ?? 0) + 1)
    }
    done += rows.length
    await hear({ done, total: 2 * total })
  }
  return observed
}

function isPerson(actor: string): boolean {
  return !['clock', 'policy', 'service'].includes(actor)
}

function seeSignature({ signatures }: Observed, { alert, row }: Replayed): void {
  const signature = signatureOf(alert)
  const seen = signatures.get(signature) ?? {
    signature,
    source: alert.source,
    rule: alert.rule.id,
    name: alert.rule.name,
    alerts: 0,
    severity: 0,
    ruled: 0,
    attackers: new Set<string>(),
  }
  signatures.set(signature, seen)
  seen.alerts++
  seen.severity = Math.max(seen.severity, alert.rule.severity)
  if (row.rule !== null || row.outcome !== 'watch') seen.ruled++
  if (alert.attacker !== undefined && seen.attackers.size < mostAttackers)
    seen.attackers.add(alert.attacker)
}

function seeAttacker(
  observed: Observed,
  { alert, row, attacker, received, outside }: Replayed,
  address: string,
) {
  const wanted = [row.outcome, row.would].some((what) => what === 'block' || what === 'review')
  if (wanted) observed.wanted.add(address)
  if (row.would === 'block' && row.rule !== null) seeTrial(observed, row.rule, address)
  const inside = attacker !== undefined && addressScope(attacker) === 'private'
  const trusted = Object.entries(outside.intelligence).flatMap(([provider, fact]) =>
    fact.state === 'answered' && fact.trusted ? [provider] : [],
  )
  const isScan = alert.rule.groups.some((group) => scan.test(group))
  const known = observed.attackers.get(address)
  const worth = inside || isScan || trusted.length > 0
  if (!known && (!worth || observed.attackers.size >= mostAttackers)) return
  const seen = known ?? newAttacker(address, inside)
  observed.attackers.set(address, seen)
  seen.alerts++
  if (isScan) seen.scans++
  if (wanted) seen.wanted++
  seen.severity = Math.max(seen.severity, alert.rule.severity)
  seen.days.add(Math.floor(received / 86_400_000))
  seen.hours.add(Math.floor(received / 3_600_000) % 24)
  for (const provider of trusted) seen.trustedBy.add(provider)
}

function newAttacker(address: string, inside: boolean): SeenAttacker {
  return {
    address,
    private: inside,
    alerts: 0,
    scans: 0,
    wanted: 0,
    severity: 0,
    days: new Set(),
    hours: new Set(),
    trustedBy: new Set(),
  }
}

function seeTrial({ trials }: Observed, rule: string, address: string): void {
  const trial = trials.get(rule) ?? { rule, alerts: 0, attackers: new Set<string>() }
  trials.set(rule, trial)
  trial.alerts++
  trial.attackers.add(address)
}
