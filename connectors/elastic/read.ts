/** One document of Elastic Security to alerts. */
import type { Alert } from '#contract/alert.ts'
import { readTime } from '#contract/time.ts'
import { makeAlerts } from '../make-alerts.ts'
import type { JsonObject } from '../read-path.ts'
import { notUnderstood } from '../read-record.ts'
import { alertField, fieldNumber, fieldText, fieldTexts } from './field.ts'
import type { Settings } from './settings.ts'
import { elasticSeverity } from './severity.ts'
import { findSides } from './sides.ts'
import { type Document, expected } from './unpack.ts'

export function readDocument(document: Document, settings: Settings, now: number): Alert[] {
  const { fields } = document
  if (isAttackDiscovery(document) || isOurOwn(fields)) return []
  const ruleId = fieldText(fields, ...alertField('rule.rule_id'), ...alertField('rule.uuid'))
  const name = fieldText(fields, ...alertField('rule.name'))
  const id = ruleId ?? fieldText(fields, ...alertField('rule.id')) ?? name
  if (id === undefined) throw notUnderstood('the alert names no rule', expected)
  if (!counts(fields, settings)) return []
  const { attackers, victim, host, port } = findSides(fields, settings)
  const uuid = fieldText(fields, 'kibana.alert.uuid') ?? document.id
  return makeAlerts(
    {
      source: 'elastic',
      id: uuid === undefined ? undefined : ['uuid', uuid],
      observed: readTime(fieldText(fields, '@timestamp') ?? ''),
      rule: {
        id,
        name: name ?? id,
        severity: elasticSeverity(wordOf(fields), riskOf(fields)),
        groups: alertField('rule.tags').flatMap((path) => fieldTexts(fields, path)),
        mitre: techniquesOf(fields),
      },
      attackers,
      victim: {
        address: victim,
        host,
        port,
        protocol: port === undefined ? undefined : fieldText(fields, 'network.transport'),
      },
      user: fieldText(fields, 'user.target.name', 'user.name'),
      count: countOf(fields),
      blocked: isBlocked(fields),
    },
    document.original,
    now,
  )
}

/** Written by a language model about other alerts: addresses stand in its text only. */
function isAttackDiscovery({ fields, index }: Document): boolean {
  return (
    fieldText(fields, 'kibana.alert.rule.rule_type_id') === 'attack-discovery' ||
    index.includes('.attack.discovery.')
  )
}

/** A rule over what we wrote back would raise our own blocks as attacks. */
function isOurOwn(fields: JsonObject): boolean {
  return ['event.module', 'event.provider', 'event.dataset', 'data_stream.dataset'].some((path) =>
    fieldTexts(fields, path).some((text) => /^cordon(\.|$)/.test(text)),
  )
}

/** The same conditions as in the query, for what is pushed. What a record does not tell does not keep it out. */
function counts(fields: JsonObject, settings: Settings): boolean {
  const status = fieldText(fields, ...alertField('workflow_status'), 'signal.status')
  if (status !== undefined && !settings.statuses.some((one) => one === status)) return false
  const block = fieldText(
    fields,
    'kibana.alert.building_block_type',
    'signal.rule.building_block_type',
  )
  if (block !== undefined && !settings.building_blocks) return false
  if ((riskOf(fields) ?? settings.min_risk) < settings.min_risk) return false
  const tags = alertField('rule.tags').flatMap((path) => fieldTexts(fields, path))
  const { rule_tags } = settings
  return rule_tags.length === 0 || rule_tags.some((tag) => tags.includes(tag))
}

function wordOf(fields: JsonObject): string | undefined {
  return fieldText(fields, 'kibana.alert.severity', ...alertField('rule.severity'))
}

function riskOf(fields: JsonObject): number | undefined {
  return ['kibana.alert.risk_score', ...alertField('rule.risk_score')]
    .map((path) => fieldNumber(fields, path))
    .find((risk) => risk !== undefined)
}

function techniquesOf(fields: JsonObject): string[] {
  const paths = [...alertField('rule.threat'), 'kibana.alert.rule.parameters.threat', 'threat']
  const ids = paths.flatMap((path) => [
    ...fieldTexts(fields, `${path}.technique.id`),
    ...fieldTexts(fields, `${path}.technique.subtechnique.id`),
  ])
  return [...new Set(ids)]
}

/** Events that a threshold counted, or this alert and those that it suppressed. */
function countOf(fields: JsonObject): number | undefined {
  const suppressed = fieldNumber(fields, 'kibana.alert.suppression.docs_count')
  return (
    fieldNumber(fields, 'kibana.alert.threshold_result.count') ??
    (suppressed === undefined ? undefined : suppressed + 1)
  )
}

function isBlocked(fields: JsonObject): boolean {
  const kinds = fieldTexts(fields, 'event.category')
  return (
    fieldTexts(fields, 'event.type').includes('denied') &&
    (kinds.includes('network') || kinds.includes('intrusion_detection'))
  )
}
