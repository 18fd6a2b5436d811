/** What a provider of intelligence says of one address, in one shape whatever the provider. */
import { z } from 'zod'
import { AddressText } from './address.ts'

export const Intelligence = z
  .strictObject({
    provider: z.string().min(1).max(60).meta({ description: 'the connector that was asked' }),
    address: AddressText,
    /** `unknown`: the provider has not seen it, which is not the same as clean. */
    verdict: z.enum(['malicious', 'suspicious', 'benign', 'unknown']),
    score: z.int().min(0).max(100).meta({ description: 'how sure it is that this attacks' }),
    trusted: z.boolean().meta({
      description:
        'the provider knows it as a common business service, or has it on its allow list: a veto',
    }),
    tags: z.array(z.string().max(100)).max(50),
    summary: z.string().max(300).meta({ description: 'what a person reads beside the verdict' }),
    link: z.url().optional().meta({ description: 'where a person reads more' }),
  })
  .meta({ id: 'Intelligence' })

export type Intelligence = z.infer<typeof Intelligence>
