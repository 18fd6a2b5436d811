/** What a connector read from one record, as alerts: one for each attacker, all text made safe to show. */
import type { Address } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { alertId, keepOriginal } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'

export type Seen = {
  source: string
  /** What makes the record unique at its source; undefined when it names nothing of the kind. */
  id: readonly (string | number | undefined)[] | undefined
  /** Epoch milliseconds; undefined when the record has no time. */
  observed: number | undefined
  rule: {
    id: string
    name: string
    severity: number
    groups: readonly string[]
    mitre: readonly string[]
  }
  attackers: readonly Address[]
  victim: Victim
  user: string | undefined
  count?: number | undefined
  blocked?: boolean
}

export type Victim = {
  address?: Address | undefined
  host?: string | undefined
  port?: number | undefined
  protocol?: string | undefined
}

// Every alert keeps a copy of the record, so the number of alerts from one record has to end somewhere.
const mostAttackers = 256
const latest = Date.UTC(9999, 11, 31)
const minute = 60_000

/** `record` is kept as the original. A record without a time was seen when it was received. */
export function makeAlerts(seen: Seen, record: unknown, now: number): Alert[] {
  const attackers = new Map(seen.attackers.map((address) => [address.text, address]))
  if (attackers.size > mostAttackers)
    throw new Problem('invalid_input', `one record names ${attackers.size} attackers`, {
      remedy: `send at most ${mostAttackers} attackers in one record`,
    })
  const known = seen.observed !== undefined && seen.observed >= 0 && seen.observed <= latest
  const observed = known ? (seen.observed ?? now) : now
  const original = keep(record)
  // Without a time, the same content a month later is another alert and not a repeat.
  const id = seen.id ?? ['content', original.text, known ? undefined : Math.floor(now / minute)]
  const several = attackers.size > 1
  const shared = {
    version: 1 as const,
    source: seen.source,
    observed: printTime(observed),
    received: printTime(now),
    rule: printableRule(seen.rule),
    ...printableVictim(seen.victim),
    ...(seen.user === undefined ? {} : { user: printable(seen.user) }),
    count: Math.max(1, Math.min(Math.trunc(seen.count ?? 1), Number.MAX_SAFE_INTEGER)) || 1,
    ...(seen.blocked ? { blocked: true } : {}),
    ...original.kept,
  }
  if (attackers.size === 0) return [{ ...shared, id: alertId(seen.source, ...id) }]
  return [...attackers.keys()].map((attacker) => ({
    ...shared,
    id: alertId(seen.source, ...id, ...(several ? [attacker] : [])),
    attacker,
  }))
}

function printableRule(rule: Seen['rule']): Alert['rule'] {
  return {
    id: printable(rule.id),
    name: printable(rule.name),
    severity: Math.max(0, Math.min(100, Math.round(rule.severity))),
    groups: rule.groups.slice(0, 100).map((group) => printable(group)),
    mitre: rule.mitre.slice(0, 50).map((technique) => printable(technique)),
  }
}

function printableVictim({ address, host, port, protocol }: Victim): Pick<Alert, 'victim'> {
  const goodPort = port !== undefined && Number.isInteger(port) && port >= 0 && port <= 65_535
  const victim = {
    ...(address ? { address: address.text } : {}),
    ...(host ? { host: printable(host) } : {}),
    ...(goodPort ? { port } : {}),
    ...(protocol ? { protocol: printable(protocol.toLowerCase(), 20) } : {}),
  }
  return Object.keys(victim).length > 0 ? { victim } : {}
}

function keep(record: unknown) {
  try {
    const text = typeof record === 'string' ? record : JSON.stringify(record)
    return { kept: keepOriginal(text), text }
  } catch (error) {
    throw new Problem('invalid_input', 'the record is nested too deeply to be kept', {
      remedy: 'send the record as its product wrote it',
      cause: error,
    })
  }
}
