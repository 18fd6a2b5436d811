/** What a simulation says, as it goes over the wire and as the command line reads it. */
import { z } from 'zod'
import { TimeText } from '#contract/time.ts'

const Count = z.int().nonnegative()
const Outcome = z.enum(['block', 'review', 'watch', 'ignore'])

/** One alert to look up. */
const Example = z.object({
  alert: z.string(),
  address: z.string(),
  at: TimeText,
  rule: z.string().nullable().meta({ description: 'the rule that decides in the simulation' }),
  before: Outcome,
  after: Outcome,
})
export type Example = z.infer<typeof Example>

const Change = z.object({ alerts: Count, addresses: Count, examples: z.array(Example) })
export type Change = z.infer<typeof Change>

const Outcomes = z.object({ block: Count, review: Count, watch: Count, ignore: Count })
const Pair = z.object({ before: Count, after: Count })

export const Report = z
  .object({
    since: TimeText,
    until: TimeText,
    alerts: Count,
    compared_with: z.enum(['policy_in_force', 'recorded']).meta({
      description:
        'before is the policy in force replayed over the same alerts, or what was decided then',
    }),
    outcomes: z.object({ before: Outcomes, after: Outcomes }),
    newly_blocked: Change.meta({ description: 'addresses that were not blocked at all before' }),
    no_longer_blocked: Change,
    blocked_sooner: Count.meta({
      description: 'addresses blocked both times, the first time sooner after than before',
    }),
    blocked_later: Count,
    reviews: z.object({ questions: Pair, gained: Change, lost: Change }),
    protected_hits: Change.extend({ new: Count }).meta({
      description: 'a rule would have blocked a protected address; new: and did not before',
    }),
    protection_lost: Change.meta({
      description: 'blocked by the draft, and protected by the policy in force',
    }),
    blocks: z.object({
      made: Pair,
      provisional: Pair,
      targets: Count,
      most_in_force: Pair,
      longest: z.array(
        z.object({
          target: z.string(),
          length_ms: Count,
          rule: z.string().nullable(),
          alert: z.string(),
        }),
      ),
    }),
    rules: z.array(
      z.object({ rule: z.string(), before: Count, after: Count, blocks: Count, reviews: Count }),
    ),
    unknown: z
      .object({
        alerts: Count,
        sources: z.array(z.object({ source: z.string(), alerts: Count })),
        examples: z.array(Example),
      })
      .meta({
        description:
          'alerts for which a list or provider matters of which nothing was kept then: they are in no other change',
      }),
    differs_from_recorded: Count.meta({
      description:
        'alerts on which the policy in force decides otherwise than was decided then: people or another policy stood between',
    }),
  })
  .meta({ id: 'SimulationReport' })
export type Report = z.infer<typeof Report>

export const Progress = z.object({ done: Count, total: Count })
export type Progress = z.infer<typeof Progress>
