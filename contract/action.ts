/** The signed order that follows from a decision. */
import { z } from 'zod'
import { maybeAddress } from './address.ts'
import { Problem } from './problem.ts'
import { EpochMs } from './time.ts'

/** `in` drops what comes from the target, `out` what goes to it, wherever on the node it passes. */
export const Direction = z.enum(['in', 'out', 'both']).meta({ id: 'Direction' })
export type Direction = z.infer<typeof Direction>

const decisionId = /^d-[0-9a-hjkmnp-tv-z]{16}$/
export const isDecisionId = (text: string): boolean => decisionId.test(text)

export const DecisionId = z
  .string()
  .regex(decisionId)
  .meta({ description: 'decision id', example: 'd-4x7k2m9qz1hb0wfa' })

/** Characters of the reason in an action. */
export const longestReason = 200

/** Already canonical: the signer wrote it, and a node obeys only what reads back to the same text. */
const CanonicalAddress = z
  .string()
  .refine((text) => maybeAddress(text)?.text === text, 'not a canonical address')

const Block = z.strictObject({
  action: z.literal('block'),
  decision: DecisionId,
  target: CanonicalAddress,
  direction: Direction,
  /** Narrows the block to one interface. A node that cannot express that refuses the action. */
  interface: z.string().min(1).max(15).optional(),
  protocol: z.string().min(1).max(20).optional(),
  /** Single ports or ranges such as `8000-8100`. */
  ports: z
    .array(z.string().regex(/^\d{1,5}(-\d{1,5})?$/))
    .min(1)
    .optional(),
  issued: EpochMs,
  /** Every block ends. A newer action on the same decision replaces this end, also by a sooner one. */
  not_after: EpochMs,
  reason: z.string().max(longestReason),
})

const Lift = z.strictObject({
  action: z.literal('lift'),
  decision: DecisionId,
  target: CanonicalAddress,
  issued: EpochMs,
  reason: z.string().max(longestReason),
})

export const Action = z.discriminatedUnion('action', [Block, Lift])
export type Action = z.infer<typeof Action>
export type BlockAction = z.infer<typeof Block>
export type LiftAction = z.infer<typeof Lift>

/**
 * One entry of an envelope. Throws `unsupported` for a kind or a field this version does not know: such an
 * action is refused by receipt, never guessed at, and the rest of the envelope goes on.
 */
export function readAction(entry: unknown): Action {
  const read = Action.safeParse(entry)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new Problem(
    'unsupported',
    `action not understood: ${issue?.path.join('.')} ${issue?.message}`,
    {
      remedy: 'upgrade the agent of this node to the version of the service',
      cause: read.error,
    },
  )
}
