/** What an indicator or an observable address of the platform says of which addresses, and until when. */
import { z } from 'zod'
import { type Address, maybeAddress } from '#contract/address.ts'
import { readTime } from '#contract/time.ts'
import { addressesOf } from './pattern.ts'

const octi = 'extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba'
const octiSco = 'extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82'

const text = z.string().optional().catch(undefined)
const texts = z.array(z.string()).catch([]).prefault([])
const number = z.number().optional().catch(undefined)
const time = z.string().transform(readTime).optional().catch(undefined)
const references = z
  .array(z.looseObject({ source_name: text }))
  .catch([])
  .prefault([])

const Extension = z
  .looseObject({
    updated_at: time,
    score: number,
    detection: z.boolean().optional().catch(undefined),
    creator_ids: texts,
    labels: texts,
    created_by_ref: text,
    external_references: references,
  })
  .prefault({})
  .catch({ creator_ids: [], labels: [], external_references: [] })

const Shape = z.looseObject({
  id: z.string(),
  type: z.string(),
  name: text,
  value: text,
  pattern: text,
  pattern_type: text,
  modified: time,
  valid_from: time,
  valid_until: time,
  revoked: z.boolean().optional().catch(undefined),
  confidence: number,
  labels: texts,
  indicator_types: texts,
  object_marking_refs: texts,
  created_by_ref: text,
  external_references: references,
  extensions: z
    .looseObject({ [octi]: Extension, [octiSco]: Extension })
    .prefault({})
    .catch({ [octi]: Extension.parse({}), [octiSco]: Extension.parse({}) }),
})

/** Times in epoch milliseconds. */
export type IntelObject = {
  id: string
  kind: 'indicator' | 'observable'
  name: string
  /** Undefined when it says anything but single addresses. */
  addresses: Address[] | undefined
  /** The last change. */
  modified: number | undefined
  validFrom: number | undefined
  validUntil: number | undefined
  revoked: boolean
  score: number | undefined
  confidence: number | undefined
  detection: boolean
  labels: string[]
  types: string[]
  markings: string[]
  authors: string[]
  creators: string[]
  references: string[]
}

/** Undefined for other kinds of objects. */
export function readIntel(object: {
  readonly id: string
  readonly type: string
}): IntelObject | undefined {
  const kind = kindOf(object)
  const read = kind && Shape.safeParse(object).data
  if (!read) return undefined
  const own = read.extensions[octi]
  const sco = read.extensions[octiSco]
  const changes = [read.modified, own.updated_at].filter((at) => at !== undefined)
  return {
    id: read.id,
    kind,
    name: read.name ?? read.value ?? read.pattern ?? read.id,
    addresses: kind === 'indicator' ? readPattern(read) : readValue(read),
    modified: changes.length > 0 ? Math.max(...changes) : undefined,
    validFrom: read.valid_from,
    validUntil: read.valid_until,
    revoked: read.revoked === true,
    score: own.score ?? sco.score,
    confidence: read.confidence,
    detection: own.detection === true,
    labels: [...read.labels, ...sco.labels],
    types: read.indicator_types,
    markings: read.object_marking_refs,
    authors: [read.created_by_ref, sco.created_by_ref].filter((author) => author !== undefined),
    creators: own.creator_ids,
    references: [...read.external_references, ...sco.external_references].flatMap(
      ({ source_name }) => source_name ?? [],
    ),
  }
}

export function kindOf({ type }: { readonly type: string }): IntelObject['kind'] | undefined {
  if (type === 'indicator') return 'indicator'
  return type === 'ipv4-addr' || type === 'ipv6-addr' ? 'observable' : undefined
}

type Read = z.output<typeof Shape>

function readPattern({ pattern, pattern_type }: Read): Address[] | undefined {
  return pattern === undefined || (pattern_type ?? 'stix') !== 'stix'
    ? undefined
    : addressesOf(pattern)
}

function readValue({ type, value }: Read): Address[] | undefined {
  const address = maybeAddress(value ?? '')
  return address && value?.includes(':') === (type === 'ipv6-addr') ? [address] : undefined
}
