/** Status and tag of alerts, in one call for all that become the same. */
import { type AlertOutcome, outcomes, type Settings } from '../settings.ts'
import { type Standing, type StatusChange, setStatus, setTags } from './alerts.ts'
import { outcomeOf, tagOf } from './outcome.ts'
import { orRefuse, type Place, type Refuse, type Told } from './told.ts'

/** Alerts of one change: an update by query of very many runs into the time limit. */
const atOnce = 1_000
type Due = { alert: Standing; outcome: AlertOutcome; results: string[] }

/** What is as it should be already is not touched, so that a batch that is given again changes nothing. */
export async function mark(place: Place, told: readonly Told[], refuse: Refuse): Promise<void> {
  const { kibana, space, settings, signal } = place
  const due = [...dueOf(told).values()]
  const each = async (group: readonly Due[], change: (uuids: string[]) => Promise<void>) => {
    for (let at = 0; at < group.length; at += atOnce) {
      const some = group.slice(at, at + atOnce)
      const ids = some.flatMap(({ results }) => results)
      await orRefuse(ids, refuse, () => change(some.map(({ alert }) => alert.uuid)))
    }
  }
  for (const status of ['acknowledged', 'closed'] as const) {
    const group = due.filter((one) => statusDue(one, settings)?.status === status)
    const reason = status === 'closed' ? settings.close_reason : undefined
    await each(group, (uuids) => setStatus(kibana, space, uuids, { status, reason }, signal))
  }
  if (!settings.alert_tags) return
  for (const outcome of outcomes) {
    const tags = { add: [tagOf(outcome)], remove: others(outcome) }
    const group = due.filter((one) => one.outcome === outcome && !isTagged(one))
    await each(group, (uuids) => setTags(kibana, space, uuids, tags, signal))
  }
}

/** The last result about an alert says how it stands. */
function dueOf(told: readonly Told[]): Map<string, Due> {
  const due = new Map<string, Due>()
  for (const { result, decision, alerts } of told)
    for (const alert of alerts) {
      const results = [...(due.get(alert.uuid)?.results ?? []), result.id]
      due.set(alert.uuid, { alert, outcome: outcomeOf(result, decision), results })
    }
  return due
}

/** What a person has closed stays closed, and what he has acknowledged is only closed. */
function statusDue({ alert, outcome }: Due, settings: Settings): StatusChange | undefined {
  if (alert.status === 'closed') return undefined
  if (settings.close_on.includes(outcome)) return { status: 'closed' }
  return alert.status === 'open' && settings.acknowledge_on.includes(outcome)
    ? { status: 'acknowledged' }
    : undefined
}

function isTagged({ alert, outcome }: Due): boolean {
  return (
    alert.tags.includes(tagOf(outcome)) && !alert.tags.some((tag) => others(outcome).includes(tag))
  )
}

function others(outcome: AlertOutcome): string[] {
  return outcomes.filter((one) => one !== outcome).map(tagOf)
}
