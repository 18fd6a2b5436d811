/** What a record of an MMDB file says, whoever made the file: MaxMind's shapes, and the flat ones of others. */
import type { PlaceFact, PlaceSource } from '../../decide/outside.ts'

/** Undefined where the record says nothing of the kind that was asked for. */
export const readRecord: {
  readonly [Source in PlaceSource]: (record: unknown) => Partial<PlaceFact> | undefined
} = {
  country: (record) => {
    const country = countryOf(record)
    return country === '' ? undefined : { country }
  },
  city: (record) => {
    const city = textOf(at(record, 'city', 'names', 'en')) || textOf(at(record, 'city'))
    const country = countryOf(record)
    return city === '' && country === '' ? undefined : { city, country }
  },
  asn: (record) => {
    const asn = numberOf(at(record, 'autonomous_system_number') ?? at(record, 'asn'))
    const as_owner = ['autonomous_system_organization', 'as_organization', 'as_name', 'name']
      .map((key) => textOf(at(record, key)))
      .find((owner) => owner !== '')
    return asn === 0 ? undefined : { asn, as_owner: as_owner ?? '' }
  },
  anonymous: (record) => {
    const traits = at(record, 'traits') ?? record
    const known = anonymousKeys.filter(([key]) => typeof at(traits, key) === 'boolean')
    const said = known.filter(([key]) => at(traits, key) === true).map(([, kind]) => kind)
    // MaxMind leaves out what is false: a record that is there is about an anonymous address.
    const told = known.length > 0 || typeof at(traits, 'is_anonymous') === 'boolean'
    return told ? { anonymous: [...new Set(said)] } : undefined
  },
}

const anonymousKeys = [
  ['is_anonymous_vpn', 'vpn'],
  ['is_tor_exit_node', 'tor'],
  ['is_hosting_provider', 'hosting'],
  ['is_public_proxy', 'proxy'],
  ['is_residential_proxy', 'proxy'],
] as const

function countryOf(record: unknown): string {
  const found = [
    at(record, 'country_code'),
    at(record, 'country', 'iso_code'),
    at(record, 'country'),
    at(record, 'registered_country', 'iso_code'),
  ].find((code) => /^[A-Za-z]{2}$/.test(textOf(code)))
  return textOf(found).toUpperCase()
}

function at(value: unknown, ...path: string[]): unknown {
  let found = value
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = Reflect.get(found, key)
  }
  return found
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 200) : ''
}

/** Some write `AS64500`. */
function numberOf(value: unknown): number {
  const number = typeof value === 'string' ? Number(value.replace(/^AS/i, '')) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : 0
}
