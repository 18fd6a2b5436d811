/** Whether a condition holds, or why nobody can say. */
import type { Condition } from './condition.ts'
import { NotAsked, SilentSource } from './consult.ts'
import type { Evidence } from './evidence.ts'
import type { Reason } from './verdict.ts'

export function matches(
  condition: Condition,
  evidence: Evidence,
  rule: string,
): boolean | NotAsked | Reason {
  try {
    return condition.matches(evidence)
  } catch (error) {
    if (error instanceof NotAsked) return error
    if (error instanceof SilentSource)
      return { code: 'source_silent', source: error.source, fail: 'review', problem: error.message }
    const problem = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return { code: 'condition_failed', rule, problem }
  }
}
