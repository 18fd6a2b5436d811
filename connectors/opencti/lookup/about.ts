/** What the platform is asked about addresses: one filtered query for all of them, since aliases are limited to two. */
import { z } from 'zod'
import { question } from '../client/client.ts'
import { patternOf, spellings } from './spellings.ts'

const names = <T extends z.ZodType>(node: T) =>
  z.object({ edges: z.array(z.object({ node }).nullable()).nullable() }).nullable()

const Marks = {
  objectMarking: z
    .array(z.object({ standard_id: z.string(), definition: z.string().nullable() }))
    .nullable(),
  objectLabel: z.array(z.object({ value: z.string().nullable() })).nullable(),
}

const Indicator = z.object({
  ...Marks,
  id: z.string(),
  pattern: z.string().nullable(),
  revoked: z.boolean(),
  valid_from: z.string().nullable(),
  valid_until: z.string().nullable(),
  x_opencti_score: z.int().nullable(),
  x_opencti_detection: z.boolean().nullable(),
  decayLiveDetails: z.object({ live_score: z.int() }).nullable(),
  killChainPhases: z
    .array(z.object({ kill_chain_name: z.string(), phase_name: z.string() }))
    .nullable(),
  stixCoreRelationships: names(
    z.object({
      to: z.object({ entity_type: z.string().optional(), name: z.string().optional() }).nullable(),
    }),
  ),
})
export type Indicator = z.output<typeof Indicator>

const Observable = z.object({
  ...Marks,
  id: z.string(),
  standard_id: z.string(),
  observable_value: z.string(),
  x_opencti_score: z.int().nullable(),
  indicators: names(Indicator),
  reports: names(z.object({ name: z.string() })),
})
export type Observable = z.output<typeof Observable>

export const About = z.object({
  stixCyberObservables: names(Observable),
  indicators: names(Indicator),
})
export type About = z.output<typeof About>

type Filters = { mode: 'and'; filters: readonly Filter[]; filterGroups: readonly [] }
type Filter = { key: readonly [string]; values: readonly string[]; operator: 'eq'; mode: 'or' }

const about = question<{ observed: Filters; patterns: Filters; first: number }, About>(
  `query CordonAbout($observed: FilterGroup, $patterns: FilterGroup, $first: Int) {
  stixCyberObservables(
    types: ["IPv4-Addr", "IPv6-Addr"]
    filters: $observed
    first: $first
    orderBy: updated_at
    orderMode: desc
  ) {
    edges {
      node {
        id
        standard_id
        observable_value
        x_opencti_score
        objectMarking { standard_id definition }
        objectLabel { value }
        indicators(first: 20) { edges { node { ...About } } }
        reports(first: 5) { edges { node { name } } }
      }
    }
  }
  indicators(filters: $patterns, first: $first, orderBy: x_opencti_score, orderMode: desc) {
    edges { node { ...About } }
  }
}
fragment About on Indicator {
  id
  pattern
  revoked
  valid_from
  valid_until
  x_opencti_score
  x_opencti_detection
  decayLiveDetails { live_score }
  objectMarking { standard_id definition }
  objectLabel { value }
  killChainPhases { kill_chain_name phase_name }
  stixCoreRelationships(first: 20, relationship_type: "indicates") {
    edges {
      node {
        to {
          ... on BasicObject { entity_type }
          ... on ThreatActor { name }
          ... on IntrusionSet { name }
          ... on Malware { name }
          ... on Campaign { name }
          ... on AttackPattern { name }
        }
      }
    }
  }
}`,
  About,
)

/** Enough for every spelling of a few addresses and the networks around them; the newest and the gravest come first. */
const firstPerAddress = 30
const mostFirst = 500

/** The question about these addresses, and the variables that go with it. */
export function askAbout(addresses: readonly string[]) {
  const values = [...new Set(addresses.flatMap(spellings))]
  const variables = {
    observed: oneOf('value', values),
    patterns: oneOf('pattern', values.map(patternOf)),
    first: firstOf(addresses),
  }
  return [about, variables] as const
}

/** Whether there may be more than was given. */
export function isCut({ stixCyberObservables, indicators }: About, addresses: readonly string[]) {
  const first = firstOf(addresses)
  return [stixCyberObservables, indicators].some((found) => (found?.edges?.length ?? 0) >= first)
}

function firstOf({ length }: readonly string[]): number {
  return Math.min(mostFirst, firstPerAddress * length)
}

function oneOf(key: string, values: readonly string[]): Filters {
  return {
    mode: 'and',
    filters: [{ key: [key], values, operator: 'eq', mode: 'or' }],
    filterGroups: [],
  }
}
