/** What a line of the journal is in the words of the Elastic Common Schema: category, type and outcome. */
import { z } from 'zod'
import type { Decision } from '../store/decisions.ts'
import type { Entry } from './entry.ts'

type Kind = { category: string; type: readonly string[] }

/** What begins with a decision: who only passes so often is neither let through nor kept out. */
export const measureTypes = {
  block: ['connection', 'denied'],
  allow: ['connection', 'allowed'],
  limit: ['connection', 'info'],
} as const satisfies Record<Decision['measure']['action'], readonly string[]>

const begins: readonly string[] = [
  'decision.issue',
  'decision.approve',
  'decision.prolong',
  'decision.extend',
  'decision.confirm',
  'decision.rollout',
  'decision.timeout_block',
]

const kinds: Readonly<Record<string, Kind>> = {
  'decision.lift': { category: 'network', type: ['connection', 'allowed'] },
  'decision.halt': { category: 'network', type: ['connection', 'allowed'] },
  'decision.expire': { category: 'network', type: ['connection', 'end'] },
  'node.invite': { category: 'configuration', type: ['creation'] },
  'node.enrol': { category: 'configuration', type: ['creation'] },
  'node.regroup': { category: 'configuration', type: ['change'] },
  'node.revoke': { category: 'configuration', type: ['deletion'] },
  'token.create': { category: 'iam', type: ['user', 'creation'] },
  'token.revoke': { category: 'iam', type: ['user', 'deletion'] },
  'key.rotate': { category: 'configuration', type: ['change'] },
  'policy.change': { category: 'configuration', type: ['change'] },
  'epoch.begin': { category: 'configuration', type: ['change'] },
  'journal.prune': { category: 'configuration', type: ['deletion'] },
  'retention.run': { category: 'configuration', type: ['deletion'] },
}

/** By noun, for what has no entry of its own; each is a type that its category allows. */
const families: Readonly<Record<string, Kind>> = {
  decision: { category: 'network', type: ['info'] },
  receipt: { category: 'network', type: ['info'] },
  node: { category: 'host', type: ['info'] },
}

const other: Kind = { category: 'configuration', type: ['info'] }

/** What is lifted passes again, but for what was allowed, which only ends. */
export function kindOf(action: string, decision: Decision | undefined): Kind {
  const measure = decision?.measure.action ?? 'block'
  if (begins.includes(action)) return { category: 'network', type: measureTypes[measure] }
  if (action === 'decision.lift' && measure === 'allow')
    return { category: 'network', type: ['connection', 'end'] }
  return kinds[action] ?? families[action.split('.')[0] ?? ''] ?? other
}

/** Whether what the line tells succeeded; of a question nobody knows yet. */
export function outcomeOf(action: string): 'success' | 'failure' | 'unknown' {
  if (failures.includes(action)) return 'failure'
  return undecided.includes(action) ? 'unknown' : 'success'
}

const undecided: readonly string[] = ['decision.wait', 'decision.second', 'decision.halt']

const failures: readonly string[] = [
  'receipt.refused',
  'receipt.failed',
  'node.degraded',
  'node.head_withheld',
  'posture.reverted',
  'posture.refused',
  'posture.failed',
  'node.cut_off',
  'node.silent',
  'list.silent',
  'places.silent',
  'provider.silent',
  'connector.silent',
  'connector.away',
  'notice.dead',
  'result.refused',
  'result.lost',
]

const Said = z
  .looseObject({
    reason: z.string().optional().catch(undefined),
    reasons: z.array(z.string()).optional().catch(undefined),
    code: z.string().optional().catch(undefined),
    detail: z.string().optional().catch(undefined),
    rule: z.string().nullish().catch(undefined),
    target: z.string().nullish().catch(undefined),
  })
  .catch({})

/** Why, whom it is about and by which rule, as the line says it, or else as its decision does. */
export function saidBy({ line, decision }: Entry): {
  reason: string | undefined
  target: string | undefined
  rule: string | undefined
} {
  const said = Said.parse(line.after === null ? {} : JSON.parse(line.after))
  const told = [said.code, said.detail].filter((part) => part !== undefined).join(': ')
  return {
    reason: said.reason ?? said.reasons?.join(', ') ?? (told === '' ? undefined : told),
    target: said.target ?? decision?.target ?? undefined,
    rule: said.rule ?? decision?.rule ?? undefined,
  }
}
