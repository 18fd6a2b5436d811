/** What a node said of a decision, as a document of the Elastic Common Schema 8.17; `ecs.ts` says which fields are used how. */
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'
import type { ReceiptWord } from '../store/receipt-words.ts'
import {
  decisionFields,
  type EcsDocument,
  endFields,
  merged,
  scopeFields,
  who,
} from './ecs-parts.ts'
import { measureTypes } from './meaning.ts'

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
      type: typeOf(status, decision),
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
    ...merged(
      who(actor, target, decision?.scope.peer),
      endFields(target, decision),
      scopeFields(decision),
    ),
    cordon: {
      actor,
      subject: word.decision,
      ...(target !== undefined && { target }),
      ...(decision && { decision: decisionFields(decision) }),
    },
  }
}

function typeOf(status: ReceiptWord['status'], decision: Decision | undefined): readonly string[] {
  if (status === 'ended') return ['connection', 'end']
  return status === 'applied' ? measureTypes[decision?.measure.action ?? 'block'] : ['info']
}
