/** The sets that the table of the standing rules needs, as nft text: networks by rule and country, and a meter for each rate. Pure. */
import { type Address, compareAddresses, contains, readAddress } from '#contract/address.ts'
import type { CountryNetworks, Posture, ServiceRule } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import type { Protected } from './guard.ts'
import { rulesNow } from './posture-time.ts'

export const postureTable = 'cordon_posture'

/** One audience's rules as they are in force. */
export type Standing = { audience: string; version: number; posture: Posture }

export type PostureScript = {
  postures: readonly Standing[]
  /** In order and apart. */
  networks(country: CountryNetworks): Iterable<Address>
  here: readonly Protected[]
  /** Of the service, where it runs on this node. */
  servicePort?: number | undefined
  /** Epoch milliseconds by the service's clock, for what holds at times only. */
  now: number
}

/** Elements in one line of the script. */
const lineSize = 1_000
/** Sources of which a rate is known at once; those beyond it are not limited. */
const mostSources = 65_536
const shortestMemorySeconds = 60
const seconds = { second: 1, minute: 60, hour: 3_600 } as const

/** Those are in no country: a rule that lets in one country only does not mean them. */
const home = {
  4: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  6: ['fc00::/7', 'fe80::/10'],
} as const

export const families = [4, 6] as const
export type Family = (typeof families)[number]

type Interval = { family: Family; networks: Iterable<Address> }
type Meter = { family: Family; timeoutSeconds: number }
export type Named = {
  sets: Map<string, Interval | Meter>
  /** Sets by the rule or country that they are for. */
  of: Map<object, string>
}

/** A set for each list of networks that a rule of now names, and a meter for each rate. */
export function nameSets({ postures, networks, here, now }: PostureScript): Named {
  const sets: Named['sets'] = new Map()
  const of: Named['of'] = new Map()
  const put = (base: string, all: readonly Address[]) => {
    for (const family of families)
      sets.set(`${base}_${family}`, { family, networks: apart(all, family) })
  }
  for (const family of families) {
    sets.set(`protected${family}`, { family, networks: protectedOf(here, family) })
    sets.set(`home_${family}`, { family, networks: home[family].map(readAddress) })
  }
  postures.forEach(({ posture }, at) => {
    const rules = rulesNow(posture, now)
    const needed = new Set(rules.flatMap((rule) => countriesOf(rule)))
    for (const country of posture.countries.filter((one) => needed.has(one.country))) {
      const base = `country_${at}_${country.country}`
      const all = [...networks(country)]
      for (const family of families)
        sets.set(`${base}_${family}`, {
          family,
          networks: all.filter((network) => network.family === family),
        })
      of.set(country, base)
    }
    rules.forEach((rule, index) => {
      if (rule.rule !== 'service') return
      const base = `${at}_${index}`
      if (rule.from && rule.from.networks.length > 0) {
        put(`from_${base}`, rule.from.networks.map(readAddress))
        of.set(rule.from, `from_${base}`)
      }
      if (!rule.rate) return
      for (const family of families)
        sets.set(`rate_${base}_${family}`, { family, timeoutSeconds: memorySeconds(rule.rate) })
      of.set(rule.rate, `rate_${base}`)
    })
  })
  return { sets, of }
}

function countriesOf(rule: Posture['rules'][number]): readonly string[] {
  if (rule.rule === 'country') return rule.countries
  return rule.rule === 'service' ? (rule.from?.countries ?? []) : []
}

/** Until a source that paused has all of its burst again: forgotten sooner, it would have it too early. */
function memorySeconds({ packets, per, burst }: NonNullable<ServiceRule['rate']>): number {
  const refill = Math.ceil((burst * seconds[per]) / packets)
  return Math.max(shortestMemorySeconds, refill + seconds[per])
}

export function printSet(name: string, set: Interval | Meter): string[] {
  const add = `add set inet ${postureTable} ${name}`
  if ('timeoutSeconds' in set)
    return [
      `${add} { type ipv${set.family}_addr; size ${mostSources}; flags dynamic, timeout; timeout ${set.timeoutSeconds}s; }`,
    ]
  return [
    `${add} { type ipv${set.family}_addr; flags interval; }`,
    ...printElements(name, set.networks),
  ]
}

export function printElements(name: string, networks: Iterable<Address>): string[] {
  const texts = Array.from(networks, ({ text }) => text)
  const lines: string[] = []
  for (let from = 0; from < texts.length; from += lineSize)
    lines.push(
      `add element inet ${postureTable} ${name} { ${texts.slice(from, from + lineSize).join(', ')} }`,
    )
  return lines
}

export function protectedOf(here: readonly Protected[], family: Family): Address[] {
  return apart(
    here.map(({ address }) => address),
    family,
  )
}

/** An interval set takes no element within another. */
function apart(all: readonly Address[], family: Family): Address[] {
  const sorted = all.filter((one) => one.family === family).sort(compareAddresses)
  const kept: Address[] = []
  for (const one of sorted) {
    const last = kept.at(-1)
    if (!last || !contains(last, one)) kept.push(one)
  }
  return kept
}

export function countrySet(code: string, posture: Posture, { of }: Named): string {
  const found = posture.countries.find(({ country }) => country === code)
  const base = found && of.get(found)
  if (base !== undefined) return base
  throw new Problem('internal', `the posture names ${code} without its networks`)
}
