/** What a person decides: block, approve, decline, extend, lift. Each is journalled with who and why. */
import { type Direction, longestReason } from '#contract/action.ts'
import { type Address, readAddress } from '#contract/address.ts'
import { printDuration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import { checkOrder } from '../decide/order.ts'
import type { Policy } from '../decide/policy.ts'
import { type Decision, findDecision, insertDecisions, updateDecision } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import type { Store, Writer } from '../store/store.ts'
import { decisionsOn } from './decisions-on.ts'
import type { Hub } from './hub.ts'
import { type Addressed, issue, toBlock } from './issue.ts'
import type { SigningKeys } from './keys.ts'
import type { Said } from './said.ts'

/** A person may not order a longer block at once; renewing it is a decision that somebody makes again. */
const longestMs = 366 * 24 * 3_600_000

export type OrderParts = {
  store: Store
  keys: SigningKeys
  hub: Hub
  policy(): Policy
  own(): readonly string[]
  said: Said
  now(): number
  /** A fresh decision id. */
  newId(): string
}

/** `actor` is `token/<name>`; the reason is required: somebody will ask at night. */
export type Who = { actor: string; reason: string }

export type BlockOrder = {
  target: string
  lengthMs?: number | undefined
  audience?: string[] | undefined
  direction?: Direction | undefined
}

export type Orders = {
  /** A block by hand. Two of them on one address are two decisions: either may be lifted, the other holds. */
  block(order: BlockOrder, who: Who): Promise<Decision>
  /** Issues what waited. The protected networks are checked again: they may have grown meanwhile. */
  approve(
    id: string,
    change: { lengthMs?: number | undefined; audience?: string[] | undefined },
    who: Who,
  ): Promise<Decision>
  decline(id: string, who: Who): Promise<Decision>
  /** A new end, `lengthMs` from now, later than the present one. The protected networks are checked again. */
  extend(id: string, lengthMs: number, who: Who): Promise<Decision>
  lift(id: string, who: Who): Promise<Decision>
  /** Lifts all decisions whose target is this address or lies in it; says what still covers it. */
  liftAddress(target: string, who: Who): Promise<{ lifted: Decision[]; covering: Decision[] }>
}

export function openOrders(parts: OrderParts): Orders {
  return {
    block: async (order, who) => {
      const address = checkOrder({
        target: order.target,
        policy: parts.policy(),
        facts: shields(parts),
      })
      const decision = manualDecision(parts, address, order, who)
      return commit(parts, async (tx) => {
        await insertDecisions(tx, [decision])
        const changes = [change(who, parts.now(), 'decision.issue', undefined, decision)]
        return { result: decision, changes }
      })
    },
    approve: (id, { lengthMs, audience }, who) =>
      revise(parts, id, who, 'decision.approve', ['waiting'], (before, now) => {
        checkOrder({
          target: before.target ?? '',
          policy: parts.policy(),
          facts: shields(parts),
        })
        const length = checkLength(lengthMs ?? before.lengthMs ?? 0)
        const audiences = audience ?? before.audience
        return {
          state: 'issued',
          issued: now,
          notAfter: now + length,
          lengthMs: length,
          audience: audiences,
        }
      }),
    decline: (id, who) =>
      revise(parts, id, who, 'decision.decline', ['waiting'], (_, now) => ({
        state: 'declined',
        ended: now,
      })),
    extend: (id, lengthMs, who) =>
      revise(parts, id, who, 'decision.extend', ['issued', 'applied'], (before, now) => {
        checkOrder({
          target: before.target ?? '',
          policy: parts.policy(),
          facts: shields(parts),
        })
        const notAfter = now + checkLength(lengthMs)
        if (notAfter <= (before.notAfter ?? 0)) throw sooner(id, (before.notAfter ?? 0) - now)
        return { notAfter }
      }),
    lift: (id, who) =>
      revise(parts, id, who, 'decision.lift', ['issued', 'applied'], (_, now) => lifted(now)),
    liftAddress: async (target, who) => {
      const address = readAddress(target)
      return commit(parts, async (tx) => {
        const now = parts.now()
        const { within, covering } = await decisionsOn(tx, address, now)
        const fields = { ...lifted(now), actor: who.actor, note: who.reason }
        for (const { id } of within) await updateDecision(tx, id, fields)
        const pairs = within.map((before) => ({ before, after: { ...before, ...fields } }))
        const changes = pairs.map(({ before, after }) =>
          change(who, now, 'decision.lift', before, after),
        )
        return { result: { lifted: pairs.map(({ after }) => after), covering }, changes }
      })
    },
  }
}

/** What no block may overlap, besides what the policy protects. */
function shields({ own, said }: OrderParts) {
  return { own: own(), sheltered: said.sheltered() }
}

type Revision = Partial<Omit<Decision, 'id' | 'reasons' | 'would' | 'alerts'>>

/** Reads, checks the state, changes and signs in one transaction, so that two people cannot both decide. */
function revise(
  parts: OrderParts,
  id: string,
  who: Who,
  action: string,
  from: readonly Decision['state'][],
  revision: (before: Decision, now: number) => Revision,
): Promise<Decision> {
  return commit(parts, async (tx) => {
    const before = await findDecision(tx, id)
    if (!before)
      throw new Problem('not_found', `there is no decision ${id}`, {
        remedy: 'see "cordon decision list"',
      })
    if (!from.includes(before.state)) throw wrongState(before, action)
    const now = parts.now()
    const fields = { ...revision(before, now), actor: who.actor, note: who.reason }
    await updateDecision(tx, id, fields)
    const after = { ...before, ...fields }
    return { result: after, changes: [change(who, now, action, before, after)] }
  })
}

type Change = { entry: Parameters<typeof appendJournal>[1][number]; orders: Addressed[] }

/** Everything that one order changes, in one transaction and one envelope an audience. Returns the work's result. */
async function commit<Result>(
  parts: OrderParts,
  work: (tx: Writer) => Promise<{ result: Result; changes: Change[] }>,
): Promise<Result> {
  const { result, envelopes } = await parts.store.write(async (tx) => {
    const { result, changes } = await work(tx)
    await appendJournal(
      tx,
      changes.map(({ entry }) => entry),
    )
    const orders = changes.flatMap((one) => one.orders)
    return { result, envelopes: await issue(tx, parts.keys, orders, parts.now()) }
  })
  parts.hub.publish(envelopes)
  return result
}

/** The journal line, and the order to the nodes if the change is theirs to hear. */
function change(
  who: Who,
  now: number,
  action: string,
  before: Decision | undefined,
  after: Decision,
): Change {
  const orders: Addressed[] = []
  if (after.state === 'issued' || after.state === 'applied')
    orders.push({ audience: after.audience, action: toBlock(after, now) })
  if (after.endReason === 'lifted' && after.target !== null) {
    const { id: decision, target } = after
    const reason = who.reason.slice(0, longestReason)
    orders.push({
      audience: after.audience,
      action: { action: 'lift', decision, target, issued: now, reason },
    })
  }
  const entry = {
    at: now,
    actor: who.actor,
    action,
    subject: after.id,
    ...(before && { before: journalled(before) }),
    after: { ...journalled(after), reason: who.reason },
  }
  return { entry, orders }
}

function journalled({ state, target, audience, direction, notAfter }: Decision): object {
  return { state, target, audience, direction, not_after: notAfter }
}

function lifted(now: number) {
  return { state: 'ended', ended: now, endReason: 'lifted' } as const
}

function manualDecision(
  parts: OrderParts,
  address: Address,
  order: BlockOrder,
  who: Who,
): Decision {
  const now = parts.now()
  const defaults = parts.policy().defaults
  const lengthMs = checkLength(order.lengthMs ?? defaults.lengthMs ?? 0)
  return {
    id: parts.newId(),
    state: 'issued',
    outcome: 'block',
    origin: 'manual',
    rule: null,
    target: address.text,
    offender: null,
    direction: order.direction ?? defaults.direction,
    audience: [...(order.audience ?? defaults.audience)],
    lengthMs,
    created: now,
    issued: now,
    notAfter: now + lengthMs,
    ended: null,
    endReason: null,
    actor: who.actor,
    note: who.reason,
    reasons: [],
    would: null,
    alerts: 0,
  }
}

function checkLength(lengthMs: number): number {
  if (lengthMs > 0 && lengthMs <= longestMs) return lengthMs
  throw new Problem(
    'invalid_input',
    lengthMs > 0 ? `${printDuration(lengthMs)} is too long` : 'every block needs a length',
    {
      remedy:
        'give a length such as "for": "4h", at most 366d; renew the block when it nears its end',
    },
  )
}

function sooner(id: string, leftMs: number): Problem {
  return new Problem('conflict', `${id} already holds for another ${printDuration(leftMs)}`, {
    remedy: 'extend by a longer time, or lift it and block anew for a shorter one',
  })
}

function wrongState(decision: Decision, action: string): Problem {
  const verb = action.replace('decision.', '')
  return new Problem(
    'conflict',
    `cannot ${verb} ${decision.id}: it is ${decision.endReason ?? decision.state}`,
    {
      remedy: `see "cordon decision show ${decision.id}" for what became of it`,
    },
  )
}
