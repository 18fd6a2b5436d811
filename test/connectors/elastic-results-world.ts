/** Results as the service gives them to the sinks of Elastic. */
import { createHash } from 'node:crypto'
import { type Alert, keepOriginal } from '#contract/alert.ts'
import type { Result, ResultDecision, Sink } from '#contract/result.ts'
import type { Stored } from '../doubles/elastic.ts'
import { start } from './elastic-world.ts'

const second = 1_000

export function decision(more: Partial<ResultDecision> = {}): ResultDecision {
  return {
    id: 'd-4x7k2m9qz1hb0wfa',
    state: 'issued',
    outcome: 'block',
    does: 'block',
    target: '203.0.113.7',
    rule: 'ssh',
    notAfter: start + 3_600_000,
    reasons: ['seen 12 times within 10 minutes'],
    ...more,
  }
}

export function result(number: number, more: Partial<Result> = {}): Result {
  const action = more.action ?? 'decision.issue'
  return {
    id: createHash('sha256').update(`result ${number}`).digest('base64url'),
    at: start + number * second,
    action,
    alerts: [],
    document: {
      '@timestamp': new Date(start + number * second).toISOString(),
      ecs: { version: '8.17.0' },
      event: {
        kind: 'event',
        action,
        sequence: number,
        module: 'cordon',
        dataset: 'cordon.journal',
      },
      source: { ip: '203.0.113.7' },
      cordon: { actor: 'policy', subject: 'd-4x7k2m9qz1hb0wfa', target: '203.0.113.7' },
    },
    ...more,
  }
}

/** Of the alerts with these records. */
export function resultAbout(records: readonly unknown[], number = 1, more: Partial<Result> = {}) {
  return result(number, { alerts: records.map(alertOf), decision: decision(), ...more })
}

export function alertOf(record: unknown): Alert {
  return {
    version: 1,
    id: `elastic-${createHash('sha256').update(JSON.stringify(record)).digest('hex').slice(0, 24)}`,
    source: 'elastic',
    observed: new Date(start).toISOString(),
    received: new Date(start).toISOString(),
    rule: { id: 'ssh', name: 'SSH brute force', severity: 73, groups: [], mitre: [] },
    attacker: '203.0.113.7',
    count: 1,
    ...keepOriginal(record),
  }
}

/** In another space than the default. */
export function inSpace(alert: Stored, space: string): Stored {
  return { ...alert, _index: `.internal.alerts-security.alerts-${space}-000001` }
}

export function give(sink: Sink, ...results: Result[]) {
  return sink.take(results, AbortSignal.timeout(120_000))
}
