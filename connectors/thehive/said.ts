/** What people said on an alert: by its tags, or by the status that it was given. Pure. */
import { type HiveAlert, hasTag, tags } from './alert.ts'
import type { Settings } from './settings.ts'

export type Verb = 'approve' | 'decline'

/** `both`: yes and no at once. `how` tells people by what it was said. */
export type Said = { verb: Verb; how: string } | 'both'

type Statuses = Pick<Settings, 'approve_statuses' | 'decline_statuses'>

/** Undefined while nobody said anything, or when it is settled. */
export function saidOn(alert: HiveAlert, statuses: Statuses): Said | undefined {
  if (hasTag(alert, tags.settled)) return undefined
  const approve = howSaid(alert, tags.approve, statuses.approve_statuses)
  const decline = howSaid(alert, tags.decline, statuses.decline_statuses)
  if (approve && decline) return 'both'
  if (approve) return { verb: 'approve', how: approve }
  return decline ? { verb: 'decline', how: decline } : undefined
}

/** Whether its status alone says something, and would go on saying it. */
export function statusSays({ status }: HiveAlert, statuses: Statuses): boolean {
  return [...statuses.approve_statuses, ...statuses.decline_statuses].some(isSame(status))
}

function howSaid(alert: HiveAlert, tag: string, statuses: readonly string[]): string | undefined {
  if (hasTag(alert, tag)) return `the tag ${tag}`
  return statuses.some(isSame(alert.status)) ? `the status ${alert.status}` : undefined
}

function isSame(status: string) {
  return (other: string) => other.toLowerCase() === status.toLowerCase()
}
