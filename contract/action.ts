/** The signed order that follows from a decision. */
import { z } from 'zod'
import { maybeAddress } from './address.ts'
import { Problem } from './problem.ts'
import { EpochMs } from './time.ts'

/** What passes through the node for others: from the target or to it, or one of the two only. */
export const forwardings = ['forward', 'forward_from', 'forward_to'] as const

/**
 * Seen from the node: `in` is what comes from the target, `out` what goes to it, wherever on the node it passes; `both` is
 * the two together. The others are about what passes through the node for others.
 */
export const Direction = z.enum(['in', 'out', 'both', ...forwardings]).meta({ id: 'Direction' })
export type Direction = z.infer<typeof Direction>

const forwarding: ReadonlySet<Direction | null> = new Set(forwardings)
/** Whether it is only about what passes through a node for others. */
export const isForwarding = (direction: Direction | null): boolean => forwarding.has(direction)

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

/** As the kernel names it; a trailing * stands for any ending. Characters as Linux allows them, 15 at most. */
export const InterfaceName = z
  .string()
  .regex(
    /^[^\s/:*"'\\]{1,15}$|^[^\s/:*"'\\]{1,14}\*$/,
    'expected an interface such as eth0, or ppp*',
  )
  .meta({ example: 'eth0' })

/** Those that have ports. */
export const portProtocols = ['tcp', 'udp', 'sctp', 'dccp', 'udplite'] as const
const otherProtocols = [
  'icmp',
  'icmpv6',
  'esp',
  'ah',
  'gre',
  'igmp',
  'ipip',
  'ospf',
  'vrrp',
] as const

/** By its name in nftables. */
export const Protocol = z.enum([...portProtocols, ...otherProtocols]).meta({ id: 'Protocol' })
export type Protocol = z.infer<typeof Protocol>

/** One port or a range, both ends included. */
export const PortRange = z
  .string()
  .regex(
    /^(0|[1-9]\d{0,4})(-(0|[1-9]\d{0,4}))?$/,
    'expected a port such as 443, or a range such as 8000-8100',
  )
  .refine((text) => {
    const [low = 0, high = low] = text.split('-').map(Number)
    return low <= high && high <= 65_535
  }, 'a range goes from its lower port to its higher one, 65535 at most')
  .meta({ example: '8000-8100' })

/** Ranges of one action at most. */
export const mostPorts = 15

/**
 * What of the traffic of a target is meant; what is absent does not narrow it. A node that cannot express it refuses the
 * action, never widens or narrows it. An interface is the one on the target's side: by which it comes from the target, or
 * leaves to it; for `forward` without a peer's interface, either. The peer is who is at the other end, a host or network
 * as the packet names it, and its interface the one on that side of what passes through. Ports are those of the node's
 * or the peer's side for what comes from the target, and of the target's side for what goes to it: always the destination
 * of what is stopped.
 */
const scopeShape = {
  direction: Direction,
  interface: InterfaceName.optional(),
  peer: CanonicalAddress.optional(),
  peer_interface: InterfaceName.optional(),
  protocol: Protocol.optional(),
  ports: z.array(PortRange).min(1).max(mostPorts).optional(),
}

/** How often: packets of the target as a whole, whether host or network, in any `per`, `burst` of them at once. */
export const Rate = z
  .strictObject({
    packets: z.int().min(1).max(1_000_000),
    per: z.enum(['second', 'minute', 'hour']),
    burst: z.int().min(1).max(65_535),
  })
  .meta({ id: 'Rate', example: { packets: 20, per: 'second', burst: 40 } })
export type Rate = z.infer<typeof Rate>

const standingShape = {
  decision: DecisionId,
  target: CanonicalAddress,
  ...scopeShape,
  issued: EpochMs,
  /** All of them end. A newer action on the same decision replaces this end, also by a sooner one. */
  not_after: EpochMs,
  reason: z.string().max(longestReason),
}

/** Nothing of it passes; `reject` tells the sender so, which costs an answer for each packet. */
const Block = z.strictObject({
  action: z.literal('block'),
  ...standingShape,
  response: z.enum(['drop', 'reject']).optional(),
})

/**
 * It passes although other decisions, lists or limits stop it, and may begin what the standing rules of the node forbid
 * (posture.ts), from its target on. What else filters on the node has its own say still. With ports it passes to these;
 * where the direction is both, the node also answers from them.
 */
const Allow = z.strictObject({ action: z.literal('allow'), ...standingShape })

/** What is above the rate is dropped; all its ports and directions count together. Of several limits each holds. */
const Limit = z.strictObject({ action: z.literal('limit'), ...standingShape, rate: Rate })

const Lift = z.strictObject({
  action: z.literal('lift'),
  decision: DecisionId,
  target: CanonicalAddress,
  issued: EpochMs,
  reason: z.string().max(longestReason),
})

export const Action = z
  .discriminatedUnion('action', [Block, Allow, Limit, Lift])
  .refine((action) => action.action === 'lift' || portsFit(action), {
    path: ['ports'],
    message: 'only tcp, udp, sctp, dccp and udplite have ports',
  })
  .refine((action) => action.action === 'lift' || peerFits(action), {
    path: ['peer'],
    message: 'a peer is of the family of the target, and narrower than all of it',
  })
  .refine((action) => action.action === 'lift' || peerInterfaceFits(action), {
    path: ['peer_interface'],
    message: 'only what is forwarded has an interface on the side of its peer',
  })
export type Action = z.infer<typeof Action>
export type BlockAction = z.infer<typeof Block>
export type AllowAction = z.infer<typeof Allow>
export type LimitAction = z.infer<typeof Limit>
export type LiftAction = z.infer<typeof Lift>
/** What stands until its end or until it is lifted. */
export type StandingAction = BlockAction | AllowAction | LimitAction

/** What of a target's traffic is meant. */
export type Scope = Pick<StandingAction, keyof typeof scopeShape>

/** Of a peer's interface and the direction: whether the one can be named with the other. */
export function peerInterfaceFits({
  direction,
  peer_interface: name,
}: Pick<Scope, 'direction' | 'peer_interface'>): boolean {
  return name === undefined || isForwarding(direction)
}

/** Of addresses that are understood. */
export function peerFits({ target, peer }: { target: string; peer?: string | undefined }): boolean {
  if (peer === undefined) return true
  const [one, other] = [maybeAddress(target), maybeAddress(peer)]
  return one !== undefined && one?.family === other?.family && (other?.prefix ?? 0) > 0
}

function portsFit({ ports, protocol }: Pick<StandingAction, 'ports' | 'protocol'>): boolean {
  return ports === undefined || portProtocols.some((one) => one === protocol)
}

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
