/** The settings that all web hooks share. */
import { z } from 'zod'
import { channelShape } from '#contract/channel.ts'
import { Duration } from '#contract/duration.ts'

export const hookShape = {
  url: z.string().optional().meta({
    description:
      'where to post; often a secret itself, so best given as a file. HTTPS but on loopback',
  }),
  timeout: Duration.prefault('10s').meta({ description: 'how long one try may take' }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  ...channelShape,
}
