/** A change of the policy that what was observed speaks for, before its effect is known. */
import { Problem } from '#contract/problem.ts'
import type { Report } from './report.ts'

export type ProposalKind = 'protect' | 'observe' | 'enforce' | 'rule' | 'threshold' | 'ignore'

export type Proposal = {
  kind: ProposalKind
  /** An address, a rule or a signature. */
  subject: string
  /** What it changes, in a sentence without its full stop. */
  says: string
  /** What was seen that speaks for it, in sentences. */
  evidence: string[]
  /** The whole policy with this change. */
  text: string
  /** More speaks for the one with more. */
  weight: number
  /** Whether what it would change speaks for it. */
  holds(effect: Report): boolean
}

/** Never proposes to block what is protected, or more of it than rules do already. */
export function sparesProtected({ protection_lost, protected_hits }: Report): boolean {
  return protection_lost.alerts === 0 && protected_hits.new === 0
}

/** Undefined for a policy that is written in a way that is not changed by itself. */
export function edited(edit: () => string): string | undefined {
  try {
    return edit()
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}
