/** One line of the journal, one word of a node, one judged alert: as what a sink is given. Pure. */
import { createHash } from 'node:crypto'
import type { Alert } from '#contract/alert.ts'
import type { Result, ResultDecision } from '#contract/result.ts'
import { explainReason } from '../decide/explain.ts'
import { toEcs } from '../export/ecs.ts'
import { alertToEcs } from '../export/ecs-alert.ts'
import { receiptToEcs } from '../export/ecs-receipt.ts'
import type { Decision } from '../store/decisions.ts'
import type { JournalLine } from '../store/journal.ts'
import type { JudgedAlert } from '../store/judged-alerts.ts'
import type { ReceiptWord } from '../store/receipt-words.ts'

/** What there is to say beside the thing itself. */
export type About = { decision: Decision | undefined; alerts: readonly Alert[] }

/** The hash of a line tells it from a line of the same number in a store that was restored. */
export function lineResult(issuer: string, line: JournalLine, about: About): Result {
  return {
    id: idOf(issuer, 'journal', line.hash),
    at: line.at,
    action: line.action,
    ...restOf(about),
    document: toEcs({ line, decision: about.decision }),
  }
}

export function wordResult(issuer: string, word: ReceiptWord, about: About): Result {
  const { node, decision, status, at, audience, epoch, seq } = word
  return {
    id: idOf(issuer, 'receipt', node, decision, status, at, audience, epoch, seq),
    at: word.heard,
    action: `receipt.${status}`,
    ...restOf(about),
    document: receiptToEcs(word, about.decision),
  }
}

export function alertResult(issuer: string, judged: JudgedAlert, about: About): Result {
  const { alert, decision } = judged
  return {
    id: idOf(issuer, 'alert', alert.id, decision),
    at: Date.parse(alert.received),
    action: alertAction,
    ...restOf(about),
    document: alertToEcs(alert, about.decision),
  }
}

export const alertAction = 'alert.judged'
/** Words of nodes that the journal does not have; those that were refused or failed are lines of it. */
export const wordActions = ['receipt.applied', 'receipt.planned', 'receipt.ended'] as const

function restOf({ decision, alerts }: About): Pick<Result, 'decision' | 'alerts'> {
  return { ...(decision && { decision: decisionOf(decision) }), alerts }
}

function decisionOf(decision: Decision): ResultDecision {
  const { id, state, outcome, target, rule, notAfter, endReason, actor, reasons } = decision
  return {
    id,
    state,
    outcome,
    does: decision.measure.action,
    ...(target !== null && { target }),
    ...(rule !== null && { rule }),
    ...(notAfter !== null && { notAfter }),
    ...(endReason !== null && { ended: endReason }),
    ...(actor !== null && { actor }),
    reasons: reasons.map(explainReason),
  }
}

/** The issuer tells services apart whose results meet in one place. */
function idOf(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}
