/** A source takes back what it said by earlier alerts: an indicator that was revoked, ran out or was deleted. */
import { z } from 'zod'
import { AddressText } from './address.ts'
import { longestStatement } from './alert.ts'
import { TimeText } from './time.ts'

export const Withdrawal = z
  .strictObject({
    version: z.literal(1),
    source: z.string().min(1).max(60).meta({ description: 'the connector that said it' }),
    of: z
      .string()
      .min(1)
      .max(longestStatement)
      .meta({ description: 'the `statement` of the alerts that are taken back' }),
    attacker: AddressText.optional().meta({
      description: 'only what was said of this address; without it of all',
    }),
    observed: TimeText.meta({
      description:
        'when the source took it back: what it said later stands, also when this is a repeat',
    }),
    reason: z.string().min(1).max(200).meta({ example: 'revoked' }),
  })
  .meta({ id: 'Withdrawal' })

export type Withdrawal = z.infer<typeof Withdrawal>
