/** A result as an event of Splunk: the document as it is, and names of the Common Information Model as indexed fields. */
import type { Result } from '#contract/result.ts'
import { isObject, textAt, textsAt } from '../../read-path.ts'
import type { HecSettings } from './shape.ts'

/** `host`: the machine that it is sent from. */
export function printEvent(
  result: Result,
  { hec_source, hec_sourcetype, hec_index }: HecSettings,
  host: string,
): string {
  const { id, at, document } = result
  const cordon = isObject(document.cordon) ? document.cordon : {}
  return JSON.stringify({
    time: at / 1_000,
    host,
    source: hec_source,
    sourcetype: hec_sourcetype,
    ...(hec_index !== undefined && { index: hec_index }),
    event: { ...document, cordon: { ...cordon, result_id: id } },
    fields: fieldsOf(result),
  })
}

/** Indexed fields are flat, and none may be empty. */
function fieldsOf({ id, action, document, decision }: Result): Record<string, string> {
  const outwards = /^(out|forward_to)$/.test(textAt(document, 'cordon.decision.direction') ?? '')
  const target = textAt(document, 'cordon.target') ?? decision?.target
  // Of an alert the other end is its victim, whomever the order that follows names.
  const peer = action === 'alert.judged' ? undefined : textAt(document, 'cordon.decision.peer')
  const named = {
    result_id: id,
    vendor_product: 'Cordon',
    cordon_action: action,
    action: actionOf(document),
    src: textAt(document, 'source.ip') ?? (outwards ? peer : target),
    dest: textAt(document, 'destination.ip') ?? (outwards ? target : peer),
    signature: textAt(document, 'rule.name') ?? decision?.rule,
    user: textAt(document, 'user.name'),
    dvc: textAt(document, 'observer.name'),
    decision_id: decision?.id,
  }
  return Object.fromEntries(
    Object.entries(named).filter((entry): entry is [string, string] => !!entry[1]),
  )
}

/** `blocked`, `allowed` and `teardown` are the words of the data model Network Traffic; it has none for all else. */
function actionOf(document: Result['document']): string | undefined {
  const types = textsAt(document, 'event.type')
  if (types.includes('denied')) return 'blocked'
  if (types.includes('allowed')) return 'allowed'
  return types.includes('end') ? 'teardown' : undefined
}
