/** What a node says back: about each action, and about itself. */
import { z } from 'zod'
import { DecisionId } from './action.ts'
import { Audience } from './audience.ts'
import { FeedName, mostFeeds } from './feed.ts'
import { mostPostures, PostureReceipt } from './posture.ts'
import { EpochMs } from './time.ts'

/**
 * `applied` only after the kernel has confirmed. `planned`: a node in dry run would, and does nothing. `refused`: this
 * node will not (guard, unsupported). `failed`: it would but could not. `ended`: the kernel no longer holds it for this decision.
 */
export const ReceiptStatus = z.enum(['applied', 'planned', 'refused', 'failed', 'ended'])
export type ReceiptStatus = z.infer<typeof ReceiptStatus>

/** What was stopped for one decision on one node. */
const hitParts = {
  packets: z.int().min(1).meta({
    description: 'stopped on this node since it began to count; less than before: it began anew',
  }),
  last: EpochMs.meta({ description: 'when the last of them was, to about 15 seconds' }),
}

export const Receipt = z
  .strictObject({
    decision: DecisionId,
    status: ReceiptStatus,
    audience: Audience,
    epoch: z.int().min(1),
    seq: z
      .int()
      .nonnegative()
      .meta({ description: 'of the envelope or snapshot that this answers' }),
    at: EpochMs,
    code: z
      .string()
      .max(60)
      .optional()
      .meta({ description: 'problem code when refused or failed' }),
    detail: z.string().max(300).optional(),
    hits: z
      .strictObject(hitParts)
      .optional()
      .meta({ description: 'of applied and ended: as in heartbeats; when ended, the last word' }),
  })
  .meta({ id: 'Receipt' })
export type Receipt = z.infer<typeof Receipt>

export const Receipts = z.strictObject({ receipts: z.array(Receipt).min(1).max(5_000) })

/**
 * How a node stands to one list that it is to enforce as a whole, at one version of it: one for the list, never for an
 * entry. It goes with each heartbeat, so that none can be lost. `ended`: the list was not refreshed until its end.
 */
export const FeedReceipt = z
  .strictObject({
    audience: Audience,
    feed: FeedName,
    version: z.int().nonnegative(),
    status: ReceiptStatus,
    entries: z.int().nonnegative().meta({ description: 'networks of the version in the kernel' }),
    not_after: EpochMs.meta({ description: 'when it ends here unless it is refreshed' }),
    at: EpochMs.meta({ description: 'since when it is so' }),
    code: z.string().max(60).optional().meta({ description: 'problem code if something is wrong' }),
    detail: z.string().max(300).optional(),
  })
  .meta({ id: 'FeedReceipt' })
export type FeedReceipt = z.infer<typeof FeedReceipt>

/** Something a node did of its own accord that a person will want to know. */
export const NodeEvent = z.strictObject({
  kind: z.enum([
    'healed',
    'degraded',
    'recovered',
    'resynchronised',
    'head_withheld',
    'guard_changed',
    'cut_off',
    'put_back',
  ]),
  at: EpochMs,
  detail: z.string().max(500),
})
export type NodeEvent = z.infer<typeof NodeEvent>

/** Decisions whose hits one heartbeat carries; those with most new packets come first, the others with a later one. */
export const mostHits = 500

/**
 * That something of what a decision stops still comes (or is still sent to it). A block of all that comes or goes is counted
 * by address, any other order by what it says itself (ports, interface, rate); what is let through counts nowhere. Of
 * several decisions that would each have stopped a packet, each may count it. A service adds nothing up: of one node the
 * newest number counts.
 */
export const DecisionHits = z
  .strictObject({ decision: DecisionId, ...hitParts })
  .meta({ id: 'DecisionHits' })
export type DecisionHits = z.infer<typeof DecisionHits>

export const Heartbeat = z
  .strictObject({
    version: z.string().max(40),
    backend: z.string().max(40).meta({ description: 'netlink, nft, ipset or dry-run' }),
    enforcing: z.boolean(),
    cursor: z.string().max(20_000),
    claims: z.int().nonnegative().meta({ description: 'decisions in force on this node' }),
    elements: z.int().nonnegative().meta({ description: 'set elements in its kernel' }),
    clock_offset_ms: z.number().meta({ description: "service's clock less the node's" }),
    started: EpochMs,
    interval_ms: z
      .int()
      .nonnegative()
      .optional()
      .meta({ description: 'the next one comes after this time at the latest' }),
    events: z.array(NodeEvent).max(100),
    feeds: z
      .array(FeedReceipt)
      .max(mostFeeds)
      .optional()
      .meta({ description: 'lists enforced as a whole' }),
    postures: z
      .array(PostureReceipt)
      .max(mostPostures)
      .optional()
      .meta({ description: 'standing rules of its audiences' }),
    hits: z
      .array(DecisionHits)
      .max(mostHits)
      .optional()
      .meta({ description: 'decisions that stopped something since the last heartbeat' }),
    problem: z
      .string()
      .max(500)
      .optional()
      .meta({ description: 'why it is not well, if it is not' }),
  })
  .meta({ id: 'Heartbeat' })
export type Heartbeat = z.infer<typeof Heartbeat>
