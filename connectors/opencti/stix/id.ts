/** The ids that OpenCTI gives to STIX objects by what makes them the same thing, so that nothing is there twice. */
import { createHash } from 'node:crypto'
import { maybeAddress } from '#contract/address.ts'

/** The platform's and pycti's own. */
const namespace = Buffer.from('00abedb4aa42466c9c01fed23315a9b7', 'hex')

type Contributing = Readonly<Record<string, string | number | readonly string[]>>

export function stixId(type: string, contributing: Contributing): string {
  const hash = createHash('sha1').update(namespace).update(canonical(contributing)).digest()
  const bytes = hash.subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  const parts = [0, 8, 12, 16, 20].map((at, index, all) => hex.slice(at, all[index + 1]))
  return `${type}--${parts.join('-')}`
}

/** By the value as it is written: the platform does not know that two spellings are one address. */
export function addressId(value: string): string {
  return stixId(maybeAddress(value)?.family === 6 ? 'ipv6-addr' : 'ipv4-addr', { value })
}

export function autonomousSystemId(number: number): string {
  return stixId('autonomous-system', { number })
}

export function identityId(name: string, identityClass: string): string {
  return stixId('identity', {
    name: name.trim().toLowerCase(),
    identity_class: identityClass.toLowerCase(),
  })
}

export function locationId(name: string, kind: 'Country' | 'City' | 'Region'): string {
  return stixId('location', { name: name.trim().toLowerCase(), x_opencti_location_type: kind })
}

export function noteId(content: string, created: string): string {
  return stixId('note', { content: content.trim(), created })
}

export function relationshipId(kind: string, source: string, target: string): string {
  return stixId('relationship', { relationship_type: kind, source_ref: source, target_ref: target })
}

/** With its dates: the platform itself joins sightings of the same things within thirty days. */
export function sightingId(sighting: {
  sighting_of_ref: string
  where_sighted_refs: readonly string[]
  first_seen?: string
  last_seen?: string
}): string {
  const { sighting_of_ref, where_sighted_refs, first_seen, last_seen } = sighting
  return stixId('sighting', {
    type: 'sighting',
    sighting_of_ref,
    where_sighted_refs,
    ...(first_seen !== undefined && { first_seen }),
    ...(last_seen !== undefined && { last_seen }),
  })
}

/** RFC 8785 for what is hashed here: flat objects of texts, numbers and lists of texts. */
function canonical(value: Contributing): string {
  return JSON.stringify(value, Object.keys(value).sort())
}
