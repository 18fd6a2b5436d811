/** What a node said of a decision, as a document of the Elastic Common Schema 8.17; `ecs.ts` says which fields are used how. */
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'
import type { ReceiptWord } from '../store/receipt-words.ts'
import { decisionFields, type EcsDocument, isHostText, sideOf, who } from './ecs-parts.ts'

const types: Partial<Record<ReceiptWord['status'], readonly string[]>> = {
  applied: ['connection', 'denied'],
  ended: ['connection', 'end'],
}

/** `event.start` is when the node says that it was, `@timestamp` when it was heard: clocks of nodes differ. */
export function receiptToEcs(word: ReceiptWord, decision: Decision | undefined): EcsDocument {
  const { node, status } = word
  const target = decision?.target ?? undefined
  const actor = `node/${node}`
  return {
    '@timestamp': printTime(word.heard),
    ecs: { version: '8.17.0' },
    event: {
      kind: 'event',
      category: ['network'],
      type: types[status] ?? ['info'],
      action: `receipt.${status}`,
      outcome: status === 'planned' ? 'unknown' : 'success',
      start: printTime(word.at),
      ...(word.detail !== null && { reason: word.detail }),
      module: 'cordon',
      dataset: 'cordon.receipt',
      provider: 'cordon',
    },
    message: printable(
      `${actor}: ${status} ${word.decision}${target ? ` on ${target}` : ''}`,
      1_000,
    ),
    ...(decision?.rule && { rule: { name: decision.rule } }),
    ...who(actor, target),
    ...(isHostText(target) && { [sideOf(decision)]: { ip: target } }),
    cordon: {
      actor,
      subject: word.decision,
      ...(target !== undefined && { target }),
      ...(decision && { decision: decisionFields(decision) }),
    },
  }
}
