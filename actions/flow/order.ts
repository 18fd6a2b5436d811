/** What a person decides: block, approve, decline, extend, lift. Each is journalled with who and why. */
import { isDeepStrictEqual } from 'node:util'
import { readAddress } from '#contract/address.ts'
import { audiencesOf } from '#contract/audience.ts'
import { printDuration } from '#contract/duration.ts'
import { nearest, Problem } from '#contract/problem.ts'
import { isSameMeasure } from '../decide/measure.ts'
import { checkAllow, checkOrder } from '../decide/order.ts'
import type { Policy } from '../decide/policy.ts'
import { type Decision, decisionIdFrom, findDecision, insertDecisions } from '../store/decisions.ts'
import { listNodes } from '../store/nodes.ts'
import type { Writer } from '../store/store.ts'
import { type Asked, type Responded, respond } from './active-response.ts'
import { decisionsOn } from './decisions-on.ts'
import { checkLength, type ManualOrder, manualDecision } from './manual-decision.ts'
import { change, stops, type Who } from './order-line.ts'
import { agree, asksTwo, keepFirst, type Wished } from './review-second.ts'
import { apply, type CommitParts, commit, type Fields, type Ordered, revise } from './revise.ts'
import type { Said } from './said.ts'
import { onFew } from './stage.ts'

export type OrderParts = CommitParts & {
  policy(): Policy
  own(): readonly string[]
  said: Said
  /** A fresh decision id. */
  newId(): string
}

/** Wherever the policy wants two people, the first one's word alone changes nothing: `pending` says so. */
export type Orders = {
  /** A block, an allow or a limit by hand. Two on one address are two decisions: either may be lifted, the other holds. */
  order(order: ManualOrder, who: Who): Promise<Ordered>
  /** Issues what waited. The protected networks are checked again: they may have grown meanwhile. */
  approve(id: string, wished: Wished, who: Who): Promise<Ordered>
  decline(id: string, who: Who): Promise<Decision>
  /** A new end, `lengthMs` from now, later than the present one. The protected networks are checked again. */
  extend(id: string, lengthMs: number, who: Who): Promise<Ordered>
  lift(id: string, who: Who): Promise<Decision>
  /** Lifts all that stops something of this address or within it; says what still covers it. What is allowed stays so. */
  liftAddress(
    target: string,
    who: Who,
  ): Promise<{ lifted: Decision[]; covering: Decision[]; allowing: Decision[] }>
  /** What another product orders by its own rules, in order; each is answered by itself. */
  respond(asked: Asked, actor: string): Promise<Responded[]>
}

export function openOrders(parts: OrderParts): Orders {
  return {
    order: (wished, who) => order(parts, wished, who),
    approve: (id, wished, who) =>
      revise(parts, id, who, 'decision.approve', ['waiting'], async (before, now, tx) => {
        checkStill(parts, before)
        if (wished.lengthMs !== undefined) checkLength(wished.lengthMs)
        if (wished.audience) await checkAudience(tx, wished.audience)
        const agreed = asksTwo(before, parts.policy())
          ? await agree(tx, before, 'approve', wished, who, now)
          : { lengthMs: before.lengthMs ?? 0, audience: before.audience, ...given(wished) }
        if ('held' in agreed) return agreed
        const fields = issued(checkLength(agreed.lengthMs), agreed.audience, now)
        const atOnce = wished.atOnce === true || wasHalted(before)
        return atOnce
          ? fields
          : { ...fields, ...(await onFew(tx, parts.policy(), before, fields, now)) }
      }),
    decline: (id, who) =>
      revise(parts, id, who, 'decision.decline', ['waiting'], (_, now) => declined(now)),
    extend: (id, lengthMs, who) =>
      revise(parts, id, who, 'decision.extend', ['issued', 'applied'], async (before, now, tx) => {
        checkStill(parts, before)
        const notAfter = now + checkLength(lengthMs)
        if (notAfter <= (before.notAfter ?? 0)) throw sooner(id, (before.notAfter ?? 0) - now)
        if (!asksTwo(before, parts.policy())) return { notAfter }
        const agreed = await agree(tx, before, 'extend', { lengthMs }, who, now)
        return 'held' in agreed ? agreed : { notAfter }
      }),
    lift: (id, who) =>
      revise(parts, id, who, 'decision.lift', ['issued', 'applied'], (_, now) => lifted(now)),
    liftAddress: (target, who) =>
      commit(parts, async (tx) => {
        const now = parts.now()
        const on = await decisionsOn(tx, readAddress(target), now)
        const [within, covering] = [on.within.filter(stops), on.covering.filter(stops)]
        const allowing = on.within.filter((decision) => !stops(decision))
        const done = []
        for (const before of within)
          done.push(await apply(tx, before, lifted(now), who, 'decision.lift', now))
        const changes = done.map(({ changed }) => changed)
        return { result: { lifted: done.map(({ after }) => after), covering, allowing }, changes }
      }),
    respond: (asked, actor) => respond({ ...parts, facts: shields(parts) }, asked, actor),
  }
}

/** A block of a network that needs two people waits for the second one; a wide one goes to a few nodes first. */
function order(parts: OrderParts, wished: ManualOrder, who: Who): Promise<Ordered> {
  const policy = parts.policy()
  const check = wished.action === 'allow' ? checkAllow : checkOrder
  const target = check({ target: wished.target, policy, facts: shields(parts) })
  const now = parts.now()
  const id = wished.key === undefined ? parts.newId() : keyedId(wished.key, who)
  const decision = manualDecision(id, { ...wished, target }, policy, who, now)
  return commit<Ordered>(parts, async (tx) => {
    const known = wished.key === undefined ? undefined : await findDecision(tx, id)
    if (known) return { result: sameAgain(known, decision), changes: [] }
    if (!asksTwo(decision, policy)) {
      const few = wished.atOnce ? {} : await onFew(tx, policy, decision, decision, now)
      const ordered = { ...decision, ...few }
      await insertDecisions(tx, [ordered])
      const more = wished.atOnce ? { at_once: true } : {}
      const changes = [change(who, now, 'decision.issue', undefined, ordered, more)]
      return { result: ordered, changes }
    }
    const question: Decision = { ...decision, state: 'waiting', issued: null, notAfter: null }
    await insertDecisions(tx, [question])
    const { held } = await keepFirst(tx, question, 'approve', {}, who, now)
    const changes = [change(who, now, 'decision.wait', undefined, question), held]
    return { result: { ...question, pending: true }, changes }
  })
}

function keyedId(key: string, { actor }: Who): string {
  return decisionIdFrom(`keyed:${JSON.stringify([actor, key])}`)
}

/** Whoever was not sure of the answer asks again; nothing is done twice. Throws `conflict` for a key that was of another order. */
function sameAgain(known: Decision, wished: Decision): Ordered {
  const same = known.target === wished.target && known.direction === wished.direction
  if (!same || !isSameMeasure(known, wished) || !isForSame(known, wished))
    throw new Problem('conflict', `this idempotency key was of another order, ${known.id}`, {
      remedy: 'give each order a key of its own',
    })
  return known.state === 'waiting' ? { ...known, pending: true } : known
}

/** Who approves may name others than were asked for. */
function isForSame(known: Decision, wished: Decision): boolean {
  if (known.issued !== null && known.issued !== known.created) return true
  const meant = known.rollout?.audience ?? known.audience
  return isDeepStrictEqual(new Set(meant), new Set(wished.audience))
}

/** It was tried already: who approves it now wants it everywhere. */
function wasHalted({ reasons }: Decision): boolean {
  return reasons.some(({ code }) => code === 'rollout_halted')
}

/** What no block may overlap, besides what the policy protects. */
export function shields({ own, said }: Pick<OrderParts, 'own' | 'said'>) {
  return { own: own(), sheltered: said.sheltered() }
}

/** The target, of which this may be ordered still. Throws `protected_target`. */
export function checkStill(
  parts: Pick<OrderParts, 'own' | 'said' | 'policy'>,
  { target, measure }: Decision,
): string {
  const policy = parts.policy()
  const check = measure.action === 'allow' ? checkAllow : checkOrder
  return check({ target: target ?? '', policy, facts: shields(parts) }).text
}

export function issued(lengthMs: number, audience: readonly string[], now: number): Fields {
  return {
    state: 'issued',
    issued: now,
    notAfter: now + lengthMs,
    lengthMs,
    audience: [...audience],
    rollout: null,
  }
}

export function declined(now: number) {
  return { state: 'declined', ended: now } as const
}

export function lifted(now: number) {
  return { state: 'ended', ended: now, endReason: 'lifted' } as const
}

function given({ lengthMs, audience }: Wished) {
  return { ...(lengthMs !== undefined && { lengthMs }), ...(audience && { audience }) }
}

/** A name that no node has is a typing error, once there are nodes. Throws `invalid_input`. */
async function checkAudience(tx: Writer, audience: readonly string[]): Promise<void> {
  const nodes = (await listNodes(tx)).filter(({ revoked }) => revoked === null)
  if (nodes.length === 0) return
  const known = new Set(nodes.flatMap(({ name, groups }) => audiencesOf(name, groups)))
  const unknown = audience.find((wanted) => !known.has(wanted))
  if (unknown === undefined) return
  const guess = nearest(unknown, known)
  throw new Problem('invalid_input', `there is no node in ${unknown}`, {
    remedy: guess
      ? `did you mean ${guess}?`
      : '"cordon node list" shows the nodes and their groups',
  })
}

function sooner(id: string, leftMs: number): Problem {
  return new Problem('conflict', `${id} already holds for another ${printDuration(leftMs)}`, {
    remedy: 'extend by a longer time, or lift it and block anew for a shorter one',
  })
}
