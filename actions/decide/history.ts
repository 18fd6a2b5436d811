/** Counts what one attacker did in a window of time around the alert that is judged. */
import type { Alert } from '#contract/alert.ts'
import type { PastAlert } from './facts.ts'

type Counting = (alerts: readonly PastAlert[]) => number

/** The counting functions of conditions, by name. The first alert is the one that is judged. */
export const countings = {
  seen: (alerts) => sum(alerts),
  seen_rule: (alerts) => sum(alerts.filter((past) => past.rule === alerts[0]?.rule)),
  distinct_ports: (alerts) => distinct(alerts.map((past) => past.port)),
  distinct_users: (alerts) => distinct(alerts.map((past) => past.user || undefined)),
  distinct_victims: (alerts) => distinct(alerts.map((past) => past.victim || undefined)),
  distinct_rules: (alerts) => distinct(alerts.map((past) => past.rule)),
} as const satisfies Record<string, Counting>

export type CountingName = keyof typeof countings

/**
 * Each count is made once an alert, whatever the number of rules that ask for it.
 *
 * A window reaches both ways from the alert, so that two sensors whose alerts arrive in the wrong order
 * are counted as if they had arrived in the right one.
 */
export class History {
  readonly #judged: PastAlert
  readonly #past: readonly PastAlert[]
  readonly #counts = new Map<string, bigint>()

  constructor(alert: Alert, observed: number, past: readonly PastAlert[]) {
    this.#past = past
    this.#judged = {
      at: observed,
      rule: alert.rule.id,
      count: alert.count,
      ...(alert.victim?.port === undefined ? {} : { port: alert.victim.port }),
      ...(alert.user === undefined ? {} : { user: alert.user }),
      victim: victimOf(alert),
    }
  }

  count(name: CountingName, windowMs: number): bigint {
    const key = `${name} ${windowMs}`
    const known = this.#counts.get(key)
    if (known !== undefined) return known
    const near = this.#past.filter((past) => Math.abs(past.at - this.#judged.at) < windowMs)
    const count = BigInt(countings[name]([this.#judged, ...near]))
    this.#counts.set(key, count)
    return count
  }
}

/** A victim is one host, whether its detector names it or only its address. */
export function victimOf({ victim }: Alert): string {
  return victim?.address ?? victim?.host ?? ''
}

function sum(alerts: readonly PastAlert[]): number {
  return alerts.reduce((total, past) => total + past.count, 0)
}

function distinct(values: readonly (string | number | undefined)[]): number {
  return new Set(values.filter((value) => value !== undefined)).size
}
