/** One thing that a detector saw, in one shape whatever its source. */
import { hash } from 'node:crypto'
import { z } from 'zod'
import { AddressText } from './address.ts'
import { TimeText } from './time.ts'

/** The vendor's own record is kept up to this many characters; what is cut off is said. */
const originalLimit = 16_384

const Name = z.string().max(300)

/** Characters of a statement. */
export const longestStatement = 200
const Port = z.int().min(0).max(65_535)

export const Alert = z
  .strictObject({
    version: z.literal(1),
    id: z.string().min(1).max(200).meta({
      description: "stable: derived from the source's own id, so that a repeat is recognised",
      example: 'wazuh-6ae1c44fb1d4f0e3a6b8d2c0',
    }),
    source: z.string().min(1).max(60).meta({ description: 'the connector', example: 'wazuh' }),
    observed: TimeText.meta({ description: 'when the detector saw it' }),
    received: TimeText.meta({ description: 'when Cordon got it' }),
    rule: z.strictObject({
      id: Name.meta({ example: '5763' }),
      name: Name.meta({ example: 'sshd: brute force trying to get access to the system' }),
      severity: z.int().min(0).max(100).meta({
        description: 'below 40 low, below 70 medium, below 90 high, then critical',
        example: 63,
      }),
      groups: z
        .array(Name)
        .max(100)
        .meta({ example: ['sshd', 'authentication_failures'] }),
      mitre: z
        .array(Name)
        .max(50)
        .meta({ description: 'ATT&CK technique ids', example: ['T1110'] }),
    }),
    attacker: AddressText.optional().meta({
      description: 'absent when the record names none: nothing is invented',
      example: '203.0.113.7',
    }),
    victim: z
      .strictObject({
        address: AddressText.optional(),
        host: Name.optional(),
        port: Port.optional(),
        protocol: z.string().max(20).optional(),
      })
      .optional(),
    user: Name.optional(),
    count: z.int().min(1).default(1).meta({ description: 'events that this alert stands for' }),
    statement: z.string().min(1).max(longestStatement).optional().meta({
      description:
        'what the source goes on saying until it takes it back; several alerts may say it, each in its newer version',
      example: 'indicator--be4dcaed-9f81-52bb-a48a-5e403589a739',
    }),
    ends: TimeText.optional().meta({
      description:
        'until when the source says this; no block of it is longer, and until then it is not too old',
    }),
    blocked: z.boolean().optional().meta({ description: 'the sensor says it dropped this itself' }),
    original: z.string().max(originalLimit).meta({ description: "the vendor's record, verbatim" }),
    original_cut: z.boolean().meta({ description: 'the record was longer and was cut' }),
  })
  .meta({ id: 'Alert' })

export type Alert = z.infer<typeof Alert>

/** `low` < 40 ≤ `medium` < 70 ≤ `high` < 90 ≤ `critical` (the bounds of Elastic's risk score). */
type SeverityName = 'low' | 'medium' | 'high' | 'critical'

export function severityName(severity: number): SeverityName {
  if (severity < 40) return 'low'
  if (severity < 70) return 'medium'
  return severity < 90 ? 'high' : 'critical'
}

/** The id of an alert from what makes it unique at its source. Parts are kept apart, so `a|bc` is not `ab|c`. */
export function alertId(
  source: string,
  ...parts: readonly (string | number | undefined)[]
): string {
  const digest = hash('sha256', JSON.stringify(parts), 'hex')
  return `${source}-${digest.slice(0, 24)}`
}

/** The two `original` fields for a record that came as text or as parsed JSON. */
export function keepOriginal(record: unknown): Pick<Alert, 'original' | 'original_cut'> {
  const text = typeof record === 'string' ? record : JSON.stringify(record)
  return { original: text.slice(0, originalLimit), original_cut: text.length > originalLimit }
}
