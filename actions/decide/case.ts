/** One matter to judge, and how its sources may be asked. */
import type { Alert } from '#contract/alert.ts'
import { Consult } from './consult.ts'
import type { Facts } from './facts.ts'
import type { Policy } from './policy.ts'

export type Case = { alert: Alert; facts: Facts; policy: Policy; now: number }

/** `wazuh:5763`, as the policy names what is certain. */
export function signatureOf({ source, rule }: Alert): string {
  return `${source}:${rule.id}`
}

export function openConsult({ alert, facts, policy }: Case): Consult {
  const fail = (source: string) => policy.sources.get(source)?.fail ?? 'open'
  return new Consult(facts.outside, { fail, certain: certainOf(alert, policy) })
}

/** The signature of an alert about whose attacker nobody is asked. */
export function certainOf(alert: Alert, policy: Policy): string | undefined {
  const signature = signatureOf(alert)
  return policy.certain.has(signature) ? signature : undefined
}
