/** What was decided then about an alert, in the shape of a judgement of now. */
import { decisionIdFrom } from '../store/decisions.ts'
import type { Replayed } from './replayed.ts'
import type { Judgement } from './world.ts'

/** Undefined where the decision is gone. */
export function recordedOf({ alert, row }: Replayed): Judgement | undefined {
  const { outcome, rule, target, decision, length_ms, would } = row
  if (outcome === null) return undefined
  const stands = outcome === 'block' || outcome === 'review'
  return {
    outcome,
    rule,
    ...(would !== null && { would }),
    target,
    lengthMs: length_ms ?? 0,
    made: stands && decisionIdFrom(`alert:${alert.id}`) === decision,
    decision: stands ? decision : null,
    provisional: false,
    spared: null,
    unknown: [],
  }
}

/** Evidence of a decision says what that decision says, whatever rule it came by. */
export function isAsRecorded(recorded: Judgement, judged: Judgement): boolean {
  if (recorded.outcome !== judged.outcome || recorded.decision !== judged.decision) return false
  if (recorded.made !== judged.made) return false
  if (judged.decision !== null && !judged.made) return true
  if (recorded.would !== judged.would) return false
  return recorded.rule === judged.rule && (!judged.made || isSameOrder(recorded, judged))
}

/** One more alert of the decision of which it was one then, too. Of such an alert no reasons were kept. */
export function isSameEvidence(recorded: Judgement, judged: Judgement): boolean {
  return judged.decision !== null && !judged.made && recorded.decision === judged.decision
}

/** A block that was provisional may have grown since. */
function isSameOrder(recorded: Judgement, { target, lengthMs, provisional }: Judgement): boolean {
  return recorded.target === target && (recorded.lengthMs === lengthMs || provisional)
}

/** Sources whose silence was told then. */
export function silentThen(verdict: string | undefined): string[] {
  if (verdict === undefined || !verdict.includes('"source_silent"')) return []
  const { reasons } = JSON.parse(verdict) as { reasons: { code: string; source?: string }[] }
  return reasons.flatMap(({ code, source }) =>
    code === 'source_silent' && source !== undefined ? [source] : [],
  )
}
