/** STIX 2.1 objects as they are read and written here, and the bundle around them. */
import { z } from 'zod'
import { stixId } from './id.ts'

export type StixObject = Readonly<Record<string, unknown>> & { type: string; id: string }

export type Bundle = {
  type: 'bundle'
  id: string
  spec_version: '2.1'
  objects: readonly StixObject[]
}

/** The same objects are the same bundle, whoever sends it again. */
export function bundleOf(objects: readonly StixObject[]): Bundle {
  const id = stixId('bundle', { objects: objects.map((object) => object.id) })
  return { type: 'bundle', id, spec_version: '2.1', objects }
}

const openCti = 'extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba'
const Ids = z.array(z.string()).default([])

/** Loose: the platform has put more into its objects with every version. */
export const AddressObject = z.looseObject({
  type: z.enum(['ipv4-addr', 'ipv6-addr']),
  id: z.string(),
  value: z.string(),
  object_marking_refs: Ids,
  x_opencti_granted_refs: Ids,
  extensions: z
    .looseObject({
      [openCti]: z.looseObject({ creator_ids: Ids, granted_refs: Ids }).optional(),
    })
    .optional(),
})
export type AddressObject = z.output<typeof AddressObject>

/** Who made it, and with which organisations it is shared: the platform and its library write that in two places. */
export function ownersOf(object: AddressObject): { creators: string[]; granted: string[] } {
  const extension = object.extensions?.[openCti]
  const read = z.object({ creator_ids: Ids, granted_refs: Ids }).safeParse(extension).data
  const granted = [...object.x_opencti_granted_refs, ...(read?.granted_refs ?? [])]
  return { creators: read?.creator_ids ?? [], granted: [...new Set(granted)] }
}
