/** Alerts of Elastic Security, and a source that follows them by a clock of its own. */
import type { Page } from '#contract/connector.ts'
import { followAlerts } from '../../connectors/elastic/follow.ts'
import { Settings } from '../../connectors/elastic/settings.ts'
import { elasticKey, type Stored } from '../doubles/elastic.ts'
import { type InSteps, inSteps } from './in-steps.ts'

export const start = Date.UTC(2026, 6, 1, 10)
const minute = 60_000

/** Written at its own time unless said otherwise. */
export function elasticAlert(
  number: number,
  at: number,
  more: Record<string, unknown> = {},
): Stored {
  const uuid = number.toString(16).padStart(64, '0')
  return {
    _index: '.internal.alerts-security.alerts-default-000001',
    _id: uuid,
    _source: {
      '@timestamp': new Date(at).toISOString(),
      'event.kind': 'signal',
      'kibana.alert.uuid': uuid,
      'kibana.alert.workflow_status': 'open',
      'kibana.alert.severity': 'high',
      'kibana.alert.risk_score': 73,
      'kibana.alert.start': new Date(at).toISOString(),
      'kibana.alert.rule.name': 'SSH brute force',
      'kibana.alert.rule.rule_id': 'ssh-brute-force',
      'kibana.alert.rule.tags': ['block'],
      source: { ip: `2001:db8::${number.toString(16)}` },
      ...more,
    },
  }
}

export function elasticSettings(url: string, more: Record<string, unknown> = {}): Settings {
  return Settings.parse({ nodes: [url], api_key: elasticKey, page: 2, from: 'start', ...more })
}

export function followElastic(settings: Settings, cursor?: string, space = 'default'): InSteps {
  return inSteps((clock) => followAlerts(settings, space, clock), start + minute, cursor)
}

export function idsOf(pages: readonly Page[]): number[] {
  return pages.flatMap(({ records }) =>
    records.map((record) =>
      typeof record === 'object' && record !== null && '_id' in record
        ? Number.parseInt(String(record._id), 16)
        : Number.NaN,
    ),
  )
}
