/** Where an alert that we judged lies in Elastic: its id there, its space, its index. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { fieldTexts } from '../field.ts'
import { unpack } from '../unpack.ts'

export type Origin = { uuid: string; space: string; index: string }

type Told = { uuid: string | undefined; spaces: string[]; index: string }

/** Throws a Problem when the record does not tell, or names an alert that this Kibana cannot change. */
export function originOf(alert: Alert, otherwise: string): Origin {
  const { uuid, spaces, index } = alert.original_cut ? readCut(alert.original) : readWhole(alert)
  if (uuid === undefined)
    throw new Problem('invalid_input', 'the record of the alert does not tell its id in elastic', {
      remedy: 'let the body of the webhook connector hold whole alerts, with kibana.alert.uuid',
    })
  if (index.includes(':'))
    throw new Problem(
      'unsupported',
      'the alert lies in a remote cluster, which has its own kibana',
      {
        remedy: 'let that cluster have a Cordon of its own, or mark its alerts by hand',
      },
    )
  const space = spaces.find((one) => spaceName.test(one)) ?? spaceOf(index) ?? otherwise
  return { uuid, space, index: index === '' ? `.alerts-security.alerts-${space}` : index }
}

const spaceName = /^[a-z0-9_-]+$/

function readWhole({ original }: Alert): Told {
  const [document] = unpack(original)
  if (document === undefined) return { uuid: undefined, spaces: [], index: '' }
  const { fields, id, index } = document
  return {
    uuid: fieldTexts(fields, 'kibana.alert.uuid')[0] ?? id,
    spaces: fieldTexts(fields, 'kibana.space_ids'),
    index: index === '' ? (fieldTexts(fields, '_index')[0] ?? '') : index,
  }
}

/**
 * The first of what stands in a record that was cut. A key inside of a text has its quotes escaped, so that no text of an
 * attacker is taken for one.
 */
function readCut(text: string): Told {
  const first = (key: string) => new RegExp(`[{,]"${key}":\\[?"([\\w.:-]{1,512})"`).exec(text)?.[1]
  return {
    uuid: first('kibana\\.alert\\.uuid') ?? first('_id'),
    spaces: [first('kibana\\.space_ids')].filter((space) => space !== undefined),
    index: first('_index') ?? '',
  }
}

/** `.internal.alerts-security.alerts-soc-000001` */
function spaceOf(index: string): string | undefined {
  return /\.alerts-security\.alerts-([a-z0-9_-]+?)(-\d{6})?$/.exec(index)?.[1]
}
