/** Which rules of a posture hold now, and when that changes. Pure. */
import type { During, Posture, PostureRule } from '#contract/posture.ts'
import { isWithin, nextChange, readSchedule, type Schedule } from '#contract/schedule.ts'

/** In order. */
export function rulesNow({ rules }: Posture, now: number): PostureRule[] {
  return rules.filter((rule) => {
    const during = duringOf(rule)
    return during === undefined || isWithin(scheduleOf(during), now)
  })
}

/** When another set of rules holds; undefined when these hold for ever. */
export function nextRules(postures: readonly Posture[], now: number): number | undefined {
  const changes = postures.flatMap((posture) => nextOf(posture, now) ?? [])
  return changes.length === 0 ? undefined : Math.min(...changes)
}

/** Each heartbeat tells it, and it costs a look at up to a thousand moments. */
const found = new WeakMap<Posture, { from: number; next: number | undefined }>()

function nextOf(posture: Posture, now: number): number | undefined {
  const known = found.get(posture)
  if (known && now >= known.from && now < (known.next ?? Number.POSITIVE_INFINITY))
    return known.next
  const changes = posture.rules
    .map(duringOf)
    .flatMap((during) => (during ? (nextChange(scheduleOf(during), now) ?? []) : []))
  const next = changes.length === 0 ? undefined : Math.min(...changes)
  found.set(posture, { from: now, next })
  return next
}

/** What tells one set of rules that holds from another. */
export function holding(postures: readonly Posture[], now: number): string {
  return postures
    .map(({ rules }) =>
      rules
        .map(duringOf)
        .map((during) => (during && !isWithin(scheduleOf(during), now) ? '-' : '+'))
        .join(''),
    )
    .join(' ')
}

function duringOf(rule: PostureRule): During | undefined {
  return rule.rule === 'state' ? undefined : rule.during
}

const schedules = new WeakMap<During, Schedule>()

function scheduleOf(during: During): Schedule {
  const known = schedules.get(during) ?? readSchedule(during.times, during.zone)
  schedules.set(during, known)
  return known
}
