/** A result as the document that is written. */

import type { Result } from '#contract/result.ts'
import { printTime } from '#contract/time.ts'
import { isObject } from '../../read-path.ts'
import type { Plan } from './resources.ts'

/** JSON on one line. A data stream takes nothing without a time, and only what names it. */
export function documentOf({ at, document }: Result, { dataset, namespace }: Plan): string {
  return JSON.stringify({
    '@timestamp': printTime(at),
    ...document,
    event: { ...(isObject(document.event) ? document.event : {}), module: 'cordon', dataset },
    data_stream: { type: 'logs', dataset, namespace },
  })
}
