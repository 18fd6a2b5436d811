/** One row of results to alerts. */
import type { Alert } from '#contract/alert.ts'
import { readTime } from '#contract/time.ts'
import { makeAlerts } from '../make-alerts.ts'
import type { JsonObject } from '../read-path.ts'
import { rowContent, rowNumber, rowText, rowTexts } from './row.ts'
import type { Settings } from './settings.ts'
import { findSides } from './sides.ts'
import type { Row } from './unpack.ts'

const scale = new Map([
  ['info', 10],
  ['informational', 10],
  ['low', 25],
  ['medium', 55],
  ['high', 80],
  ['critical', 95],
])

export function readRow(given: Row, settings: Settings, now: number): Alert[] {
  const { row } = given
  // What we wrote back would come back as an attack.
  if (/^cordon(:|$)/.test(rowText(row, 'sourcetype') ?? '')) return []
  if (rowText(row, 'vendor_product') === 'Cordon') return []
  const fields = [...(given.field === undefined ? [] : [given.field]), ...settings.attacker_fields]
  const { attackers, victim, host, port } = findSides(row, fields, settings.home_nets)
  const rule = ruleOf(given)
  // A search that nobody named and that names nobody says nothing.
  if (rule === undefined && attackers.length === 0) return []
  const observed = timeOf(rowText(row, '_time', 'orig_time'))
  return makeAlerts(
    {
      source: 'splunk',
      id: idOf(given, observed !== undefined),
      observed,
      rule: {
        id: rule ?? 'splunk',
        name: rowText(row, 'rule_title', 'rule_name') ?? rule ?? 'splunk',
        severity: severityOf(row, settings.severity),
        groups: ['tag', 'eventtype', 'security_domain'].flatMap((field) => rowTexts(row, field)),
        mitre: techniquesOf(row),
      },
      attackers,
      victim: { address: victim, host, port, protocol: rowText(row, 'transport') },
      user: rowText(row, 'user', 'orig_user'),
      count: rowNumber(row, 'count'),
      blocked: rowText(row, 'action') === 'blocked',
    },
    given.original,
    now,
  )
}

/** A notable event of Enterprise Security is told by one search for all; its own rule stands in it. */
function ruleOf({ row, search }: Row): string | undefined {
  const own = rowText(row, 'rule_name', 'search_name')
  return (isNotable(row) ? own : undefined) ?? search ?? own ?? rowText(row, 'signature')
}

function isNotable(row: JsonObject): boolean {
  return rowText(row, 'event_id') !== undefined && rowText(row, 'rule_name') !== undefined
}

/**
 * What was indexed has an id. What was counted has none: it is its search's run and its content, and a row of our own runs
 * without a time belongs to the time that was searched.
 */
function idOf(
  { row, search, sid, earliest }: Row,
  timed: boolean,
): (string | number)[] | undefined {
  const notable = isNotable(row) ? rowText(row, 'event_id') : undefined
  if (notable !== undefined) return ['notable', notable]
  const [bucket, place] = [rowText(row, '_bkt'), rowText(row, '_cd')]
  if (bucket !== undefined && place !== undefined) return ['event', search ?? '', bucket, place]
  const content = JSON.stringify(rowContent(row))
  if (sid !== undefined) return ['row', sid, content]
  return earliest === undefined ? undefined : ['row', search ?? '', timed ? 0 : earliest, content]
}

function severityOf(row: JsonObject, standard: number): number {
  for (const field of ['urgency', 'severity']) {
    const known = scale.get(rowText(row, field)?.trim().toLowerCase() ?? '')
    if (known !== undefined) return known
  }
  return standard
}

function techniquesOf(row: JsonObject): string[] {
  const fields = ['annotations.mitre_attack', 'annotations.mitre_attack.mitre_technique_id']
  const told = [...fields, 'mitre_technique_id'].flatMap((field) => rowTexts(row, field))
  return [...new Set(told.filter((text) => /^T\d{4}(\.\d{3})?$/.test(text)))]
}

/** Epoch seconds, or as an export prints it. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  return Number.isFinite(seconds) ? Math.round(seconds * 1_000) : readTime(text)
}
