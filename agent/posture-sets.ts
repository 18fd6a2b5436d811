/** The sets that the table of the standing rules needs, as nft text: networks by rule and country, and a meter for each rate. Pure. */
import { type Address, compareAddresses, contains, readAddress } from '#contract/address.ts'
import type { CountryNetworks, Posture, ServiceRule } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import type { Protected } from './guard.ts'
import type { ScopedElement } from './kernel/firewall.ts'
import { rulesNow } from './posture-time.ts'

export const postureTable = 'cordon_posture'

/** One audience's rules as they are in force. */
export type Standing = { audience: string; version: number; posture: Posture }

export type PostureScript = {
  postures: readonly Standing[]
  /** Those that judge whenever `postures`, which are on trial, do not: perhaps none. Absent when nothing is on trial. */
  before?: readonly Standing[] | undefined
  /** In order and apart. */
  networks(country: CountryNetworks): Iterable<Address>
  here: readonly Protected[]
  /** Who may begin what they forbid, for a time (posture-allowed.ts). */
  allowed?: readonly ScopedElement[] | undefined
  /** Of the service, where it runs on this node. */
  servicePort?: number | undefined
  /** Epoch milliseconds by the service's clock, for what holds at times only or ends. */
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
  /** Sets that only those rules name which judged before what is on trial. */
  before: ReadonlySet<string>
}

/**
 * Each once, those on trial first: what stands on either side of a trial has its chains, sets and counts in common. Its
 * place is the number of what is made for it.
 */
export function eachStanding({ postures, before = [] }: PostureScript): Standing[] {
  const each = new Map<Posture, Standing>()
  for (const one of [...postures, ...before]) if (!each.has(one.posture)) each.set(one.posture, one)
  return [...each.values()]
}

/** A set for each list of networks that a rule of now names, and a meter for each rate. */
export function nameSets(script: PostureScript): Named {
  const naming = new Naming(script)
  const judging = new Set(script.postures.map(({ posture }) => posture)).size
  const each = eachStanding(script)
  for (const [at, { posture }] of each.entries()) if (at < judging) naming.name(posture, at)
  const theirs = new Set(naming.sets.keys())
  for (const [at, { posture }] of each.entries()) if (at >= judging) naming.name(posture, at)
  const before = new Set([...naming.sets.keys()].filter((name) => !theirs.has(name)))
  return { sets: naming.sets, of: naming.of, before }
}

class Naming {
  readonly sets: Named['sets'] = new Map()
  readonly of: Named['of'] = new Map()
  readonly #script: PostureScript
  /** Two versions of a posture mostly name the same networks, of which there are many. */
  readonly #countries = new Map<string, string>()

  constructor(script: PostureScript) {
    this.#script = script
    for (const family of families) {
      this.sets.set(`protected${family}`, { family, networks: protectedOf(script.here, family) })
      this.sets.set(`home_${family}`, { family, networks: home[family].map(readAddress) })
    }
  }

  name(posture: Posture, at: number): void {
    const rules = rulesNow(posture, this.#script.now)
    const needed = new Set(rules.flatMap((rule) => countriesOf(rule)))
    for (const country of posture.countries.filter((one) => needed.has(one.country)))
      this.of.set(country, this.#country(country, at))
    rules.forEach((rule, index) => {
      if (rule.rule === 'service') this.#service(rule, `${at}_${index}`)
    })
  }

  #country(named: CountryNetworks, at: number): string {
    const { country, chunks } = named
    const which = [country, ...chunks].join()
    const known = this.#countries.get(which)
    if (known !== undefined) return known
    const base = `country_${at}_${country}`
    const all = [...this.#script.networks(named)]
    for (const family of families)
      this.sets.set(`${base}_${family}`, {
        family,
        networks: all.filter((network) => network.family === family),
      })
    this.#countries.set(which, base)
    return base
  }

  #service({ from, rate }: ServiceRule, key: string): void {
    if (from && from.networks.length > 0) {
      const all = from.networks.map(readAddress)
      for (const family of families)
        this.sets.set(`from_${key}_${family}`, { family, networks: apart(all, family) })
      this.of.set(from, `from_${key}`)
    }
    if (!rate) return
    for (const family of families)
      this.sets.set(`rate_${key}_${family}`, { family, timeoutSeconds: memorySeconds(rate) })
    this.of.set(rate, `rate_${key}`)
  }
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

export function countrySet(code: string, posture: Posture, { of }: Pick<Named, 'of'>): string {
  const found = posture.countries.find(({ country }) => country === code)
  const base = found && of.get(found)
  if (base !== undefined) return base
  throw new Problem('internal', `the posture names ${code} without its networks`)
}
