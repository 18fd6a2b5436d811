/** The standing rules that hold now as lines of nft: states, countries, services and the default. Pure. */
import type { CountryRule, Posture, ServiceRule } from '#contract/posture.ts'
import { numbers } from './kernel/scoped.ts'
import {
  countrySet,
  type Family,
  families,
  type Named,
  type PostureScript,
  type Standing,
} from './posture-sets.ts'
import { rulesNow } from './posture-time.ts'

export type Way = 'node' | 'forwarded'

/** What is about no service: states, then countries. */
export function restLines({ postures, now }: PostureScript, way: Way, named: Named): string[] {
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

export function serviceLines({ posture }: Standing, way: Way, now: number, named: Named): string[] {
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
export function defaultLines({ postures, now }: PostureScript, named: Named): string[] {
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
  // By number, so that no file of names on the node is asked.
  const kind = protocol === undefined ? '' : `meta l4proto ${numbers[protocol]}`
  if (!ports) return [line(by, kind)]
  return ports.map((range) => line(by, kind, `ct original proto-dst ${printRange(range)}`))
}

function printRange(range: string): string {
  const [low = '', high = low] = range.split('-')
  return low === high ? low : range
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
