/** Alerts, facts and policies for the tests of judging: complete, with only what matters written out. */
import type { Alert } from '#contract/alert.ts'
import { printTime } from '#contract/time.ts'
import type { Facts } from '../../actions/decide/facts.ts'
import { nothingOutside } from '../../actions/decide/outside.ts'

export const now = Date.UTC(2026, 2, 1, 3, 0, 0)

type Parts = Partial<Omit<Alert, 'rule'>> & { rule?: Partial<Alert['rule']>; ageMs?: number }

/** From 203.0.113.7 unless said otherwise; `attacker: ''` for none. */
export function alert({ rule, ageMs = 0, attacker = '203.0.113.7', ...more }: Parts = {}): Alert {
  return {
    version: 1,
    id: 'test-1',
    source: 'test',
    observed: printTime(now - ageMs),
    received: printTime(now),
    rule: { id: '1', name: 'test', severity: 50, groups: [], mitre: [], ...rule },
    ...(attacker === '' ? {} : { attacker }),
    count: 1,
    original: '{}',
    original_cut: false,
    ...more,
  }
}

export function facts(more: Partial<Facts> = {}): Facts {
  return {
    history: [],
    offences: 0,
    own: [],
    blocksInForce: 0,
    blocksLastMinute: 0,
    outside: nothingOutside,
    sheltered: [],
    ...more,
  }
}

/** One rule that blocks everything for an hour; `rule` adds to it, `top` to the policy. */
export function blockAll({ when = '"true"', rule = '', top = '' } = {}): string {
  return `
version: 1
${top}
rules:
  - name: all
    because: this test says so
    when: ${when}
    verdict: block
    for: 1h
${rule
  .split('\n')
  .filter(Boolean)
  .map((line) => `    ${line}`)
  .join('\n')}
`
}
