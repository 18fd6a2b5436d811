/** Where an address is, as STIX: its country and its autonomous system, which everybody names alike. */
import type { Knowledge } from '#contract/knowledge.ts'
import { printable } from '#contract/printable.ts'
import { autonomousSystemId, locationId, relationshipId } from './id.ts'
import type { StixObject } from './stix-object.ts'

const englishCountries = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' })

/** Dates of an identity or a place must not change from one bundle to the next. */
export const beginning = '2026-01-01T00:00:00.000Z'

/** The platform keeps the number in 32 bits with a sign; above are private ones only. */
const highestAsn = 2_147_483_647

/**
 * Only the relations are marked as what they are about: a country or a network that others wrote too would be hidden
 * from them by a marking.
 */
export function where(
  { place }: Pick<Knowledge, 'place'>,
  about: string,
  carried: object,
): StixObject[] {
  const country = countryOf(place.country)
  const network = networkOf(place)
  return [
    ...(country ? [country, relation('located-at', about, country.id, carried)] : []),
    ...(network ? [network, relation('belongs-to', about, network.id, carried)] : []),
  ]
}

function countryOf(code: string): StixObject | undefined {
  const name = /^[A-Z]{2}$/.test(code) ? englishCountries.of(code) : undefined
  return name === undefined
    ? undefined
    : {
        type: 'location',
        spec_version: '2.1',
        id: locationId(name, 'Country'),
        created: beginning,
        modified: beginning,
        name,
        country: code,
        x_opencti_location_type: 'Country',
        x_opencti_aliases: [code],
      }
}

function networkOf({ asn, as_owner }: Knowledge['place']): StixObject | undefined {
  if (!Number.isInteger(asn) || asn < 1 || asn > highestAsn) return undefined
  return {
    type: 'autonomous-system',
    spec_version: '2.1',
    id: autonomousSystemId(asn),
    number: asn,
    ...(as_owner !== '' && { name: printable(as_owner, 200) }),
  }
}

function relation(kind: string, from: string, to: string, carried: object): StixObject {
  return {
    type: 'relationship',
    spec_version: '2.1',
    id: relationshipId(kind, from, to),
    created: beginning,
    modified: beginning,
    relationship_type: kind,
    source_ref: from,
    target_ref: to,
    ...carried,
  }
}
