/** What Elasticsearch is asked: which alerts, in which order. */
import type { estypes } from '@elastic/elasticsearch'
import type { Settings } from './settings.ts'

export type Query = NonNullable<estypes.QueryDslQueryContainer>

/** `space`, or `cluster:space`. The indices behind the alias are hidden and change their names. */
export function aliasOf(space: string): string {
  const colon = space.lastIndexOf(':') + 1
  return `${space.slice(0, colon)}.alerts-security.alerts-${space.slice(colon)}`
}

/** Written at or after `from`, by their own time. */
export function newerQuery(from: number, settings: Settings): Query {
  return wanted([notBefore('@timestamp', from)], settings)
}

/** When an alert was written, where its own time does not say it. */
const writtenFields = [
  '@timestamp',
  'kibana.alert.start',
  'kibana.alert.rule.execution.timestamp',
  'event.ingested',
]

/** Epoch milliseconds. */
export type Written = { since: number; olderThan: number }

/**
 * Older ones that may have been written lately: manual runs and filled gaps lie in the past, and a slow writer puts in
 * late what is older than the overlap. Their own time is `since` or later.
 */
export function lateQuery(written: Written, since: number, settings: Settings): Query {
  const late = writtenFields.map((field) => notBefore(field, written.since))
  const older: Query = {
    range: { '@timestamp': { gte: since, lt: written.olderThan, format: 'epoch_millis' } },
  }
  return wanted([{ bool: { should: late, minimum_should_match: 1 } }, older], settings)
}

function notBefore(field: string, from: number): Query {
  return { range: { [field]: { gte: from, format: 'epoch_millis' } } }
}

function wanted(times: Query[], settings: Settings): Query {
  const filter: Query[] = [
    ...times,
    { terms: { 'kibana.alert.workflow_status': settings.statuses } },
  ]
  if (settings.min_risk > 0)
    filter.push({ range: { 'kibana.alert.risk_score': { gte: settings.min_risk } } })
  if (settings.rule_tags.length > 0)
    filter.push({ terms: { 'kibana.alert.rule.tags': settings.rule_tags } })
  const blocks: Query = { exists: { field: 'kibana.alert.building_block_type' } }
  return { bool: { filter, ...(settings.building_blocks ? {} : { must_not: [blocks] }) } }
}

/** The second field makes the order whole: rules write many alerts with one time. */
export const order: estypes.Sort = [{ '@timestamp': 'asc' }, { 'kibana.alert.uuid': 'asc' }]
