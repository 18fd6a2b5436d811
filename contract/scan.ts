/** What a node's port-scan sensor says: who tried many ports, or that more came than it can tell apart. */
import { z } from 'zod'
import { AddressText } from './address.ts'
import { EpochMs } from './time.ts'

/** Ports and machines that one report names; `count` says how many there were. */
export const mostNamed = 200

/** Reports in one request. */
export const mostReports = 100

/** Reports with the same `window` are of one scan; each later one has seen at least twice as much. */
const shape = {
  window: EpochMs.meta({ description: 'when it began, the same for all that is said of it' }),
  update: z.int().min(0).max(40).meta({ description: 'how many were said of it before' }),
  first: EpochMs,
  last: EpochMs,
}

const Scan = z.strictObject({
  kind: z.literal('scan'),
  source: AddressText,
  ports: z
    .array(z.string().regex(/^(tcp|udp)\/(0|[1-9]\d{0,4})$/))
    .min(1)
    .max(mostNamed)
    .meta({ description: 'of the node and of machines behind it', example: ['tcp/22', 'udp/161'] }),
  hosts: z
    .array(AddressText)
    .max(mostNamed)
    .optional()
    .meta({ description: 'machines behind the node that were tried' }),
  count: z.int().min(1).meta({
    description: 'different ports of the node, and ports of machines behind it, without an answer',
  }),
  ...shape,
})

const Flood = z.strictObject({
  kind: z.literal('flood'),
  sources: z.int().min(0).meta({ description: 'that were seen; they may be forged' }),
  ...shape,
})

export const ScanReport = z.discriminatedUnion('kind', [Scan, Flood]).meta({ id: 'ScanReport' })
export type ScanReport = z.infer<typeof ScanReport>

export const ScanReports = z.strictObject({ reports: z.array(ScanReport).min(1).max(mostReports) })
