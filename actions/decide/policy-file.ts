/** The policy as it is written: the strict schema of the YAML file, with every default. */
import { z } from 'zod'
import {
  Direction,
  InterfaceName,
  mostPorts,
  PortRange,
  Protocol,
  portProtocols,
  Rate,
} from '#contract/action.ts'
import { AddressText, readAddress } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { readTime } from '#contract/time.ts'
import { strict } from '../strict-object.ts'
import { widestByHand } from './order.ts'
import { failModes } from './outside.ts'

const yearMs = 366 * 86_400_000

const Length = Duration.refine(
  (ms) => ms > 0,
  'a length of time must be longer than nothing',
).refine((ms) => ms <= yearMs, 'every block ends: a year is the longest')
const Name = z.string().trim().min(1).max(100)
const Sentence = z.string().trim().min(1).max(300)
const Outcome = z.enum(['block', 'review', 'watch', 'ignore'])
const Audiences = z.array(Audience).min(1)
const Prefix4 = z.int().min(0).max(32)
const Prefix6 = z.int().min(0).max(128)

const Escalation = strict({ factor: z.number().min(1).max(1_000), ceiling: Length })

const When = z
  .string({
    error: ({ input }) =>
      input === undefined ? undefined : 'a condition is text; put it in quotes',
  })
  .trim()
  .min(1)

const Provisional = strict({
  for: Length,
  confirm: When,
  otherwise: z.enum(['lift', 'review']).default('lift'),
})

/** `22` as well as `8000-8100`: YAML reads the first as a number. */
const Port = z.preprocess((entry) => (typeof entry === 'number' ? String(entry) : entry), PortRange)

const RuleScope = strict({
  interface: InterfaceName.exactOptional(),
  peer: AddressText.refine(
    (text) => readAddress(text).prefix > 0,
    'this is everybody: leave the peer out',
  ).exactOptional(),
  peer_interface: InterfaceName.exactOptional(),
  protocol: Protocol.exactOptional(),
  ports: z.array(Port).min(1).max(mostPorts).exactOptional(),
}).refine(({ protocol, ports }) => !ports || portProtocols.some((one) => one === protocol), {
  path: ['ports'],
  message: `ports need a protocol that has them: ${portProtocols.join(', ')}`,
})

/** While nodes go on stopping something of it, a block does not end, up to so long after it was first ordered. */
const Renewal = strict({ while_hitting: Length, at_most: Length })

const Rule = strict({
  name: Name,
  because: Sentence,
  when: When,
  verdict: z.enum(['block', 'limit', 'review', 'watch', 'ignore']),
  for: Length.optional(),
  scope: RuleScope.optional(),
  response: z.enum(['drop', 'reject']).optional(),
  rate: Rate.optional(),
  renew: Renewal.optional(),
  audience: Audiences.optional(),
  direction: Direction.optional(),
  escalate: Escalation.optional(),
  ipv4_prefix: Prefix4.optional(),
  ipv6_prefix: Prefix6.optional(),
  provisional: Provisional.optional(),
  observe: z.boolean().default(false),
})

const Protected = z.preprocess(
  (entry) => (typeof entry === 'string' ? { address: entry } : entry),
  strict({ address: AddressText, why: Sentence.default('the policy protects it') }),
)

const Ceilings = strict({
  ipv4_prefix: z.int().min(widestByHand[4]).max(32).default(24),
  ipv6_prefix: z.int().min(widestByHand[6]).max(128).default(48),
  blocks_per_minute: z.int().min(1).default(300),
  blocks_in_force: z.int().min(1).default(100_000),
})

const Moment = z.string().transform((text, context) => {
  const ms = readTime(text)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: `"${text}" is no time such as 2026-03-01T12:00:00Z` })
  return z.NEVER
})

const TestAlert = strict({
  source: z.string().optional(),
  observed: Moment.optional(),
  rule: strict({
    id: z.string().optional(),
    name: z.string().optional(),
    severity: z.int().min(0).max(100).optional(),
    groups: z.array(z.string()).optional(),
    mitre: z.array(z.string()).optional(),
  }).default({}),
  attacker: AddressText.optional(),
  victim: strict({
    address: AddressText.optional(),
    host: z.string().optional(),
    port: z.int().min(0).max(65_535).optional(),
    protocol: z.string().optional(),
  }).optional(),
  user: z.string().optional(),
  count: z.int().min(1).default(1),
  blocked: z.boolean().optional(),
})

/** Earlier alerts, several at once: `{ ago: 2m, times: 8, every: 5s }`; ports and users are dealt in turn. */
const TestHistory = strict({
  ago: Duration,
  times: z.int().min(1).max(1_000).optional(),
  every: Duration.default(1_000),
  rule: z.string().optional(),
  count: z.int().min(1).default(1),
  ports: z.array(z.int().min(0).max(65_535)).default([]),
  users: z.array(z.string()).default([]),
  victims: z.array(z.string()).default([]),
})

const TestFacts = strict({
  history: z.array(TestHistory).default([]),
  offences: z.int().min(0).default(0),
  own: z.array(AddressText).default([]),
  blocks_in_force: z.int().min(0).default(0),
  blocks_last_minute: z.int().min(0).default(0),
  last_hit: Duration.optional(),
  country: z.string().optional(),
  city: z.string().optional(),
  asn: z.int().min(0).optional(),
  as_owner: z.string().optional(),
  anonymous: z.array(z.string()).optional(),
  lists: z.array(z.string()).default([]),
  silent: z.array(z.string()).default([]),
  intel: z
    .record(
      z.string(),
      strict({
        verdict: z.enum(['malicious', 'suspicious', 'benign', 'unknown']).default('unknown'),
        score: z.int().min(0).max(100).default(0),
        trusted: z.boolean().default(false),
        tags: z.array(z.string()).default([]),
      }),
    )
    .default({}),
})

const Test = strict({
  name: Sentence,
  alert: TestAlert.prefault({}),
  facts: TestFacts.prefault({}),
  now: Moment.optional(),
  expect: strict({
    verdict: z.enum(['block', 'limit', 'review', 'watch', 'ignore']),
    rule: Name.nullable().optional(),
    target: z.string().optional(),
    for: Length.optional(),
    would: Outcome.optional(),
    reasons: z.array(z.string()).optional(),
    confirmed: z.enum(['confirm', 'lift', 'review']).optional(),
  }),
})

/** What the silence of a source means, and how long it may take to answer. */
const SourceEntry = strict({
  fail: z.enum(failModes).default('open'),
  wait: Length.refine((ms) => ms <= 60_000, 'nobody waits longer than a minute').default(2_000),
})

/** `wazuh:5763`: the connector and the id of its rule. */
const Signature = z.string().regex(/^[^:\s]+:\S+$/, 'write source:rule, such as wazuh:5763')

const Review = strict({
  timeout: Length.default(86_400_000),
  at_timeout: z.enum(['decline', 'block']).default('decline'),
  second_approver: strict({ ipv4_prefix: Prefix4, ipv6_prefix: Prefix6 }).optional(),
})

/** Blocks wider than this go to the canary first, and to the rest when so large a share of it confirms and all stay well. */
const StagedRollout = strict({
  wider_than: strict({ ipv4: Prefix4, ipv6: Prefix6 }),
  canary: Audiences.refine((names) => !names.includes('all'), 'the canary is a part of the fleet'),
  wait: Length.refine((ms) => ms >= 10_000, 'nodes need ten seconds at least').default(60_000),
  healthy: z.number().gt(0).max(1).default(0.9),
})

export const PolicyFile = strict({
  version: z.literal(1),
  mode: z.enum(['enforce', 'observe']).default('enforce'),
  defaults: strict({
    audience: Audiences.default(['all']),
    direction: Direction.default('in'),
    for: Length.optional(),
    renew: Renewal.optional(),
  }).prefault({}),
  ipv4_prefix: Prefix4.default(32),
  ipv6_prefix: Prefix6.default(64),
  protect: z.array(Protected).default([]),
  ceilings: Ceilings.prefault({}),
  max_alert_age: Length.default(3_600_000),
  max_clock_ahead: Length.default(300_000),
  sources: z.record(z.string(), SourceEntry).default({}),
  certain: z.array(Signature).default([]),
  review: Review.prefault({}),
  rollout: StagedRollout.optional(),
  rules: z.array(Rule),
  tests: z.array(Test).default([]),
})

export type PolicyFile = z.output<typeof PolicyFile>
export type RuleEntry = PolicyFile['rules'][number]
export type PolicyTest = PolicyFile['tests'][number]
