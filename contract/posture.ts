/**
 * The standing rules of an audience about who may begin what with its nodes: one signed statement holds all of them, resolved
 * and in order. A posture only takes away: what passes it may still be closed by whatever else filters on the node. While an
 * order allows what comes from an address, it may begin what a posture forbids, be it by country, service, rate or default.
 * It stands until another version replaces it, and a node keeps a new version only if it still reaches the service afterwards.
 * As for lists (see feed.ts) there is no nonce: what keeps an old one from being played back is its version, which only
 * grows, and its `exp`.
 */
import { z } from 'zod'
import { InterfaceName, mostPorts, PortRange, Protocol, portProtocols, Rate } from './action.ts'
import { maybeAddress } from './address.ts'
import { Audience } from './audience.ts'
import { ChunkDigest } from './feed.ts'
import { Problem } from './problem.ts'
import { readSchedule, ScheduleMistake } from './schedule.ts'
import { EpochMs } from './time.ts'

/** Rules of one posture, networks that one rule names, and countries of one posture. */
export const mostRules = 200
export const mostNetworks = 1_000
export const mostCountries = 250

/** How long a node may take to reach the service under a new version, seconds. */
export const confirmSeconds = { least: 10, usual: 60, most: 600 } as const

/** ISO 3166-1, two capital letters. */
export const CountryCode = z
  .string()
  .regex(/^[A-Z]{2}$/, 'a country is two capital letters, such as DE')
  .meta({ example: 'DE' })

/** Printed into the ruleset of a node, so that whoever looks there knows why a rule is there. */
export const RuleName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,59}$/,
    'a name has 1 to 60 letters, digits, spaces and . _ / -',
  )
  .meta({ example: 'web from everywhere' })

/** Times of the week as contract/schedule.ts reads them. What has begun goes on when they end. */
export const During = z
  .strictObject({ times: z.string().max(500), zone: z.string().max(60) })
  .superRefine(({ times, zone }, context) => {
    try {
      readSchedule(times, zone)
    } catch (error) {
      if (!(error instanceof ScheduleMistake)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })
export type During = z.infer<typeof During>

/**
 * `node`: what is addressed to the node, also what it passes on to a container or another machine behind it under an address
 * of its own. `forwarded`: what is addressed to others and passes through it.
 */
export const Way = z.enum(['node', 'forwarded', 'both'])
export type Way = z.infer<typeof Way>

const Network = z
  .string()
  .refine((text) => maybeAddress(text)?.text === text, 'not a canonical host or network')

const ruleShape = {
  name: RuleName,
  way: Way,
  protocol: Protocol.optional(),
  /** Those that the sender addressed, before any translation on the node. */
  ports: z.array(PortRange).min(1).max(mostPorts).optional(),
  interface: InterfaceName.optional(),
  during: During.optional(),
}

/** Whence; absent is from everywhere. */
const From = z.strictObject({
  networks: z.array(Network).max(mostNetworks),
  countries: z.array(CountryCode).max(mostCountries),
})

/** The first of its posture that fits decides about a new connection; none of them is about one that stands. */
const ServiceRule = z.strictObject({
  rule: z.literal('service'),
  ...ruleShape,
  from: From.optional(),
  /** New connections of each source alone: an IPv4 host, an IPv6 network of /64. What is above is dropped. */
  rate: Rate.optional(),
  verdict: z.enum(['accept', 'drop', 'reject']),
})

/** Before all services. Private addresses are in no country and are let through. */
const CountryRule = z.strictObject({
  rule: z.literal('country'),
  ...ruleShape,
  /** `only`: what comes from any other country is dropped, and what is known to come from none. */
  mode: z.enum(['deny', 'only']),
  countries: z.array(CountryCode).min(1).max(mostCountries),
})

/** What belongs to no connection and begins none. */
const StateRule = z.strictObject({
  rule: z.literal('state'),
  name: RuleName,
  way: Way,
  invalid: z.literal('drop'),
})

export const PostureRule = z
  .discriminatedUnion('rule', [ServiceRule, CountryRule, StateRule])
  .refine((rule) => rule.rule === 'state' || portsFit(rule), {
    path: ['ports'],
    message: 'only tcp, udp, sctp, dccp and udplite have ports',
  })
  .refine((rule) => rule.rule !== 'service' || !rule.rate || rule.verdict === 'accept', {
    path: ['rate'],
    message: 'a rate goes with the verdict accept: what is above it is dropped',
  })
export type PostureRule = z.infer<typeof PostureRule>
export type ServiceRule = z.infer<typeof ServiceRule>
export type CountryRule = z.infer<typeof CountryRule>

/** The networks of a country in chunks like those of a list (feed.ts), which are fetched by digest. */
export const CountryNetworks = z.strictObject({
  country: CountryCode,
  entries: z.int().nonnegative(),
  chunks: z.array(ChunkDigest).max(1_000),
})
export type CountryNetworks = z.infer<typeof CountryNetworks>

const PostureShape = z.strictObject({
  /** What becomes of a new connection to the node that no service of any of its postures accepts. */
  default: z.enum(['accept', 'drop']),
  rules: z.array(PostureRule).max(mostRules),
  countries: z.array(CountryNetworks).max(mostCountries),
})
export type Posture = z.infer<typeof PostureShape>
export const Posture = PostureShape.refine(
  namesItsCountries,
  'a rule names a country whose networks are not there',
)

export const PostureClaims = z.strictObject({
  iss: z.string(),
  aud: Audience,
  iat: z.int().nonnegative(),
  /** How late it may be accepted; what was accepted has no end. */
  exp: z.int().nonnegative(),
  /** At least the epoch milliseconds when it was made, as for lists. */
  version: z.int().min(1),
  /** Seconds to reach the service under it; a node that does not goes back to what was before. */
  confirm: z.int().min(confirmSeconds.least).max(confirmSeconds.most),
  /** Null: the audience has none any more. Read with readPosture, so that a node can answer for what it does not know. */
  posture: z.unknown(),
})
export type PostureClaims = z.infer<typeof PostureClaims>

/** Throws `unsupported` for what this version does not know: a posture is taken as a whole or not at all. */
export function readPosture(value: unknown): Posture | null {
  const read = Posture.nullable().safeParse(value)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new Problem(
    'unsupported',
    `the posture is not understood: ${issue?.path.join('.')} ${issue?.message}`,
    {
      remedy: 'upgrade the agent of this node to the version of the service',
      cause: read.error,
    },
  )
}

/**
 * How a node stands to the newest version that it heard of. `trying`: it enforces it and has not reached the service under it
 * yet. `applied`: it has. `planned`: a dry run. `reverted`: it could not reach the service and went back; it does not try
 * this version again. `refused`: it cannot or will not. `failed`: it tries again.
 */
export const PostureStatus = z.enum([
  'trying',
  'applied',
  'planned',
  'reverted',
  'refused',
  'failed',
])
export type PostureStatus = z.infer<typeof PostureStatus>

/** Audiences whose posture one node may tell of. */
export const mostPostures = 50

export const PostureReceipt = z
  .strictObject({
    audience: Audience,
    version: z.int().nonnegative(),
    status: PostureStatus,
    at: EpochMs.meta({ description: 'since when it is so' }),
    in_force: z
      .int()
      .nonnegative()
      .meta({ description: 'the version that this node enforces; 0 for none' }),
    next_change: EpochMs.optional().meta({
      description: 'when the next time of the week begins or ends for a rule',
    }),
    code: z.string().max(60).optional().meta({ description: 'problem code if something is wrong' }),
    detail: z.string().max(300).optional(),
  })
  .meta({ id: 'PostureReceipt' })
export type PostureReceipt = z.infer<typeof PostureReceipt>

/** All countries that the rules name, in order. */
export function countriesIn(rules: readonly PostureRule[]): string[] {
  const named = rules.flatMap((rule) => {
    if (rule.rule === 'country') return rule.countries
    return rule.rule === 'service' ? (rule.from?.countries ?? []) : []
  })
  return [...new Set(named)].sort()
}

function namesItsCountries({ rules, countries }: Omit<Posture, 'default'>): boolean {
  const there = new Set(countries.map(({ country }) => country))
  return countriesIn(rules).every((country) => there.has(country))
}

function portsFit({ ports, protocol }: Pick<ServiceRule, 'ports' | 'protocol'>): boolean {
  return ports === undefined || portProtocols.some((one) => one === protocol)
}
