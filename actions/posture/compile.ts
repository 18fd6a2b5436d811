/** What a posture file says, as it is signed for each audience: in a normal form, resolved. Pure. */
import { maybeAddress } from '#contract/address.ts'
import {
  type CountryNetworks,
  countriesIn,
  Posture,
  type PostureRule,
  type ServiceRule,
} from '#contract/posture.ts'
import type { FileRule, PostureFile } from './posture-file.ts'
import type { PostureSource } from './read-posture.ts'

export type Compiled = { audience: string; confirm: number; posture: Posture }

/** Everything that the rules name, so that their networks can be had. */
export function namedCountries({ file }: PostureSource): string[] {
  return countriesIn(rulesOf(file).flatMap(({ rules }) => rules))
}

/** Throws `posture_invalid` at the rule that names a country without networks, or says what cannot be. */
export function compile(
  source: PostureSource,
  networks: ReadonlyMap<string, CountryNetworks>,
): Compiled[] {
  const { file, refuse } = source
  return rulesOf(file).map(({ audience, standard, rules }, at) => {
    for (const [index, { rule, rules: own }] of origins(file, at).entries())
      for (const code of countriesIn(own))
        if ((networks.get(code)?.entries ?? 0) === 0)
          throw refuse(
            ['postures', at, 'rules', index, rule.service ? 'service' : 'country'],
            `the database of countries has no networks for ${code}`,
            'write the two letters of ISO 3166-1, such as DE, or name another database: CORDON_PLACES_COUNTRY',
          )
    const countries = countriesIn(rules).flatMap((code) => networks.get(code) ?? [])
    const read = Posture.safeParse({ default: standard, rules, countries })
    if (read.success)
      return { audience, confirm: Math.round(file.confirm / 1_000), posture: read.data }
    const issue = read.error.issues[0]
    const at0 = issue?.path[1]
    const position = typeof at0 === 'number' ? origin(file, at, at0) : 0
    throw refuse(
      ['postures', at, 'rules', position],
      issue?.message ?? 'not understood',
      'correct this and try again',
    )
  })
}

function rulesOf(file: PostureFile) {
  return file.postures.map((posture, at) => ({
    audience: posture.for,
    standard: posture.default,
    rules: origins(file, at).flatMap(({ rules }) => rules),
  }))
}

/** What each rule of the file becomes: one for each protocol that it names. */
function origins(file: PostureFile, at: number): { rule: FileRule; rules: PostureRule[] }[] {
  const posture = file.postures[at]
  const zone = posture?.zone ?? file.zone
  return (posture?.rules ?? []).map((rule) => ({ rule, rules: expand(rule, zone) }))
}

function origin(file: PostureFile, at: number, index: number): number {
  let passed = 0
  return origins(file, at).findIndex(({ rules }) => {
    passed += rules.length
    return index < passed
  })
}

function expand(rule: FileRule, zone: string | undefined): PostureRule[] {
  const { name, service, country, state } = rule
  if (state) return [{ rule: 'state', name, way: state.on, invalid: state.invalid }]
  const part = service ?? country
  if (!part) return []
  const usual = part.ports === undefined ? [undefined] : (['tcp'] as const)
  const protocols = part.protocol === undefined ? usual : [part.protocol].flat()
  return [...new Set(protocols)].map((protocol) => {
    const common = {
      name,
      way: part.on,
      ...(protocol !== undefined && { protocol }),
      ...(part.ports && { ports: part.ports }),
      ...(part.interface !== undefined && { interface: part.interface }),
      ...(part.during && {
        during: { times: part.during.times, zone: part.during.zone ?? zone ?? 'UTC' },
      }),
    }
    if (service) return serviceRule(service, common)
    const mode = country?.deny ? 'deny' : 'only'
    const countries = [...new Set(country?.deny ?? country?.allow ?? [])].sort()
    return { rule: 'country', ...common, mode, countries }
  })
}

function serviceRule(
  { from, rate, verdict }: NonNullable<FileRule['service']>,
  common: Omit<ServiceRule, 'rule' | 'from' | 'rate' | 'verdict'>,
): ServiceRule {
  return {
    rule: 'service',
    ...common,
    ...(from && { from: sourcesOf(from) }),
    ...(rate && { rate }),
    verdict,
  }
}

function sourcesOf(from: readonly string[]): NonNullable<ServiceRule['from']> {
  const all = [...new Set(from)].sort()
  return {
    networks: all.filter((one) => maybeAddress(one) !== undefined),
    countries: all.filter((one) => maybeAddress(one) === undefined),
  }
}
