/**
 * The postures of a node as nft text: one table of its own, replaced as a whole in one transaction. Pure.
 *
 * What passes first, whatever was signed: loopback, what belongs to a connection that stands, what this node protects,
 * neighbour discovery and DHCP. Then what belongs to no connection, then countries, then services, then the default. An
 * accept only ends our own judgement: the table stands before the others of the node, and they have their say after it.
 */
import { type Address, compareAddresses, contains, readAddress } from '#contract/address.ts'
import type { CountryNetworks, CountryRule, Posture, ServiceRule } from '#contract/posture.ts'
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
  /** Epoch milliseconds by the service's clock, for what holds at times only. */
  now: number
}

/** Elements in one line of the script. */
const lineSize = 1_000
/** Sources of which a rate is known at once; those beyond it are not limited. */
const mostSources = 65_536
const shortestMemorySeconds = 60
const seconds = { second: 1, minute: 60, hour: 3_600 } as const

/** By number, so that no file of names on the node is asked. */
const protocolNumbers = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
} as const

/** Those are in no country: a rule that lets in one country only does not mean them. */
const home = {
  4: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  6: ['fc00::/7', 'fe80::/10'],
} as const

const families = [4, 6] as const
type Family = (typeof families)[number]
type Way = 'node' | 'forwarded'

/** Also where there is no table yet. Taking the networks may throw. */
export function printPosture(script: PostureScript): string {
  const named = nameSets(script)
  return [
    `add table inet ${postureTable}`,
    `delete table inet ${postureTable}`,
    `add table inet ${postureTable} { comment "cordon: standing rules"; }`,
    ...[...named.sets].flatMap(([name, set]) => printSet(name, set)),
    ...chains(script, named).flatMap(printChain),
    '',
  ].join('\n')
}

export function removePosture(): string {
  return `add table inet ${postureTable}\ndelete table inet ${postureTable}\n`
}

/** Only what is protected changed: rates and networks stay as they are. Refused where there is no table. */
export function printProtected(here: readonly Protected[]): string {
  return families
    .flatMap((family) => [
      `flush set inet ${postureTable} protected${family}`,
      ...printElements(`protected${family}`, protectedOf(here, family)),
    ])
    .concat('')
    .join('\n')
}

type Interval = { family: Family; networks: Iterable<Address> }
type Meter = { family: Family; timeoutSeconds: number }
type Named = {
  sets: Map<string, Interval | Meter>
  /** Sets by the rule or country that they are for. */
  of: Map<object, string>
}

/** A set for each list of networks that a rule of now names, and a meter for each rate. */
function nameSets({ postures, networks, here, now }: PostureScript): Named {
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

function printSet(name: string, set: Interval | Meter): string[] {
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

function printElements(name: string, networks: Iterable<Address>): string[] {
  const texts = Array.from(networks, ({ text }) => text)
  const lines: string[] = []
  for (let from = 0; from < texts.length; from += lineSize)
    lines.push(
      `add element inet ${postureTable} ${name} { ${texts.slice(from, from + lineSize).join(', ')} }`,
    )
  return lines
}

function protectedOf(here: readonly Protected[], family: Family): Address[] {
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

type Chain = { name: string; hook?: string; rules: string[] }

function printChain({ name, hook, rules }: Chain): string[] {
  const where = `inet ${postureTable} ${name}`
  const type = hook ? ` { type filter hook ${hook} priority -10; policy accept; }` : ''
  return [`add chain ${where}${type}`, ...rules.map((rule) => `add rule ${where} ${rule}`)]
}

function chains(script: PostureScript, named: Named): Chain[] {
  const services = script.postures.flatMap((standing, at) =>
    (['node', 'forwarded'] as const).map((way) => ({
      name: `${way}_${at}`,
      rules: serviceLines(standing, way, script.now, named),
      comment: standing.audience,
      way,
    })),
  )
  const used = services.filter(({ rules }) => rules.length > 0)
  const calls = (way: Way) =>
    used
      .filter((one) => one.way === way)
      .map(({ name, comment }) => `ct state new jump ${name} comment "${comment}"`)
  const judging = (way: Way): Chain => ({
    name: way,
    rules: [...restLines(script, way, named), ...calls(way)],
  })
  const node = judging('node')
  return [
    { name: 'passes', rules: [...always] },
    ...used,
    { ...node, rules: [...node.rules, ...defaultLines(script, named)] },
    judging('forwarded'),
    { name: 'input', hook: 'input', rules: ['iif lo accept', 'jump passes', 'jump node'] },
    {
      name: 'forward',
      hook: 'forward',
      // What is translated was addressed to this node, as the ports are that it publishes for containers.
      rules: ['jump passes', 'ct status dnat jump node', 'ct status dnat accept', 'jump forwarded'],
    },
  ]
}

/**
 * A segment in the middle of a connection which tracking has not seen begin belongs to one from before: it begins
 * none. What the node is told not to track cannot be judged here.
 */
const always = [
  'ct state { established, related, untracked } accept',
  'ct state new tcp flags & (fin | syn | rst | ack) != syn accept',
  'ip saddr @protected4 accept',
  'ip6 saddr @protected6 accept',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept',
  'udp sport . udp dport { 67 . 68, 68 . 67, 546 . 547, 547 . 546 } accept',
] as const

/** What is about no service: states, then countries. */
function restLines({ postures, now }: PostureScript, way: Way, named: Named): string[] {
  const all = postures.flatMap(({ posture }) =>
    rulesNow(posture, now)
      .filter((rule) => rule.way === way || rule.way === 'both')
      .map((rule) => ({ rule, posture })),
  )
  const states = all.flatMap(({ rule }) =>
    rule.rule === 'state' ? [`ct state invalid counter drop ${comment(rule.name)}`] : [],
  )
  const countries = all.flatMap(({ rule, posture }) =>
    rule.rule === 'country' ? countryLines(rule, posture, named) : [],
  )
  return [...states, ...countries]
}

function countryLines(rule: CountryRule, posture: Posture, named: Named): string[] {
  const bases = rule.countries.map((code) => countrySet(code, posture, named))
  return matches(rule).flatMap((match) =>
    families.flatMap((family) => {
      const saddr = source(family)
      const drop = `counter drop ${comment(rule.name)}`
      if (rule.mode === 'deny')
        return bases.map((base) => line(match, `${saddr} @${base}_${family}`, drop))
      const others = ['home', ...bases].map((base) => `${saddr} != @${base}_${family}`)
      return [line(match, ...others, drop)]
    }),
  )
}

function serviceLines({ posture }: Standing, way: Way, now: number, named: Named): string[] {
  return rulesNow(posture, now).flatMap((rule) => {
    if (rule.rule !== 'service' || (rule.way !== way && rule.way !== 'both')) return []
    return serviceMatches(rule, posture, named).flatMap((match) => verdictLines(rule, match, named))
  })
}

/** Sources are counted over all ports of the rule together. */
function verdictLines(rule: ServiceRule, match: string, named: Named): string[] {
  const word = comment(rule.name)
  if (rule.verdict === 'drop') return [line(match, `counter drop ${word}`)]
  if (rule.verdict === 'reject') return rejectLines(rule, match)
  const base = rule.rate && named.of.get(rule.rate)
  if (!rule.rate || base === undefined) return [line(match, `return ${word}`)]
  const { packets, per, burst } = rule.rate
  const over = `limit rate over ${packets}/${per} burst ${burst} packets`
  const meters = families
    .filter((family) => !match.includes(family === 4 ? 'ip6 saddr' : 'ip saddr'))
    .map((family) =>
      line(match, `update @${base}_${family} { ${meterKey(family)} ${over} } counter drop ${word}`),
    )
  return [...meters, line(match, `return ${word}`)]
}

function rejectLines({ name, protocol }: ServiceRule, match: string): string[] {
  const word = comment(name)
  const other = line(match, `counter reject with icmpx admin-prohibited ${word}`)
  const reset = (more: string) => line(match, more, `counter reject with tcp reset ${word}`)
  if (protocol === 'tcp') return [reset('')]
  return protocol === undefined ? [reset('meta l4proto 6'), other] : [other]
}

/** What is not accepted by a service of any posture, where one of them asks for that. */
function defaultLines({ postures, now }: PostureScript, named: Named): string[] {
  if (!postures.some(({ posture }) => posture.default === 'drop')) return []
  const accepted = postures.flatMap(({ posture }) =>
    rulesNow(posture, now).flatMap((rule) =>
      rule.rule === 'service' && rule.verdict === 'accept' && rule.way !== 'forwarded'
        ? serviceMatches(rule, posture, named).map((match) =>
            line('ct state new', match, `return ${comment(rule.name)}`),
          )
        : [],
    ),
  )
  return [...accepted, 'counter drop comment "default"']
}

function serviceMatches(rule: ServiceRule, posture: Posture, named: Named): string[] {
  const sources = rule.from ? sourcesOf(rule.from, posture, named) : ['']
  return matches(rule).flatMap((match) => sources.map((from) => line(match, from)))
}

function sourcesOf(
  from: NonNullable<ServiceRule['from']>,
  posture: Posture,
  named: Named,
): string[] {
  const own = named.of.get(from)
  const bases = [
    ...(own === undefined ? [] : [own]),
    ...from.countries.map((code) => countrySet(code, posture, named)),
  ]
  return bases.flatMap((base) => families.map((family) => `${source(family)} @${base}_${family}`))
}

/** One a range: a set of ports as the sender addressed them is listed in a way that nobody can read. */
function matches({
  protocol,
  ports,
  interface: name,
}: Pick<ServiceRule, 'protocol' | 'ports' | 'interface'>): string[] {
  const by = name === undefined ? '' : `iifname "${name}"`
  const kind = protocol === undefined ? '' : `meta l4proto ${protocolNumbers[protocol]}`
  if (!ports) return [line(by, kind)]
  return ports.map((range) => line(by, kind, `ct original proto-dst ${printRange(range)}`))
}

function printRange(range: string): string {
  const [low = '', high = low] = range.split('-')
  return low === high ? low : range
}

function countrySet(code: string, posture: Posture, { of }: Named): string {
  const found = posture.countries.find(({ country }) => country === code)
  const base = found && of.get(found)
  if (base !== undefined) return base
  throw new Problem('internal', `the posture names ${code} without its networks`)
}

function source(family: Family): string {
  return family === 4 ? 'ip saddr' : 'ip6 saddr'
}

/** Whoever has one IPv6 address has the /64 around it. */
function meterKey(family: Family): string {
  return family === 4 ? 'ip saddr' : 'ip6 saddr & ffff:ffff:ffff:ffff::'
}

function comment(name: string): string {
  return `comment "${name}"`
}

function line(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}
