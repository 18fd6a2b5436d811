/** What a posture means, in sentences for a person. Pure. */
import type { CountryRule, Posture, PostureRule, ServiceRule } from '#contract/posture.ts'

/** One a rule, in order, and one for the rest. */
export function describePosture(posture: Posture): string[] {
  const entries = new Map(posture.countries.map(({ country, entries }) => [country, entries]))
  return [
    ...posture.rules.map((rule) => `${rule.name}: ${sentence(rule, entries)}`),
    posture.default === 'drop'
      ? 'any other new connection to the node is dropped'
      : 'any other new connection is left to what else filters on the node',
  ]
}

/** What passes whatever the rules say. */
export const alwaysPasses =
  'loopback, connections that stand, neighbour discovery, DHCP, and what each node protects: the service, its gateways and name servers, authenticated logins, its admin_networks; and for a time whom "cordon allow" lets in'

type Entries = ReadonlyMap<string, number>

function sentence(rule: PostureRule, entries: Entries): string {
  if (rule.rule === 'state')
    return `packets ${wayWords[rule.way]} that belong to no connection and begin none are dropped`
  return rule.rule === 'country' ? countrySentence(rule, entries) : serviceSentence(rule, entries)
}

function countrySentence(rule: CountryRule, entries: Entries): string {
  const { mode, countries } = rule
  const named = countryWords(countries, entries)
  const from =
    mode === 'deny' ? `from ${named}` : `from anywhere but ${named} and private addresses`
  return `${what(rule)} ${from} is dropped${narrowed(rule)}`
}

function serviceSentence(rule: ServiceRule, entries: Entries): string {
  const { from, rate, verdict } = rule
  const whence = from ? `from ${sourceWords(from, entries)}` : 'from everywhere'
  const verdictWords = { accept: 'passes', drop: 'is dropped', reject: 'is rejected' }[verdict]
  const limit = rate
    ? `, at most ${rate.packets} new connections ${rate.per === 'hour' ? 'an hour' : `a ${rate.per}`} of each source (${rate.burst} at once), more are dropped`
    : ''
  return `${what(rule)} ${whence} ${verdictWords}${limit}${narrowed(rule)}`
}

function what({ protocol, ports, way }: Pick<ServiceRule, 'protocol' | 'ports' | 'way'>): string {
  const kind = protocol === undefined ? 'everything' : protocol
  const which = ports
    ? ` port${ports.length > 1 || ports[0]?.includes('-') ? 's' : ''} ${ports.join(', ')}`
    : ''
  return `${kind}${which} ${wayWords[way]}`
}

const wayWords = {
  node: 'to the node',
  forwarded: 'through the node',
  both: 'to and through the node',
} as const

function narrowed({ interface: name, during }: Pick<ServiceRule, 'interface' | 'during'>): string {
  const by = name === undefined ? '' : `, where it comes in by ${name}`
  const when = during ? `, during ${during.times} (${during.zone})` : ''
  return by + when
}

function sourceWords(
  { networks, countries }: NonNullable<ServiceRule['from']>,
  entries: Entries,
): string {
  const few = networks.slice(0, 5)
  const more = networks.length - few.length
  const shown = [...few, ...(more > 0 ? [`${more} more networks`] : [])]
  return [...shown, ...(countries.length > 0 ? [countryWords(countries, entries)] : [])].join(', ')
}

function countryWords(countries: readonly string[], entries: Entries): string {
  return countries.map((code) => `${code} (${entries.get(code) ?? 0} networks)`).join(', ')
}
