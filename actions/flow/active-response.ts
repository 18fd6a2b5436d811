/**
 * What another product orders by a rule of its own. Such a product forgets: it says "delete" for everything when it is
 * stopped, and nothing at all when its machine dies. So its time is known here beforehand: a block ends by itself a little
 * after the product means it to, and a "delete" that comes before that time is no reason to let go.
 */
import type { Direction } from '#contract/action.ts'
import type { ActiveResponse } from '#contract/active-response.ts'
import { type Address, overlaps, readAddress } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { Facts } from '../decide/facts.ts'
import { checkOrder } from '../decide/order.ts'
import type { Policy } from '../decide/policy.ts'
import { type Decision, insertDecisions, listDecisions } from '../store/decisions.ts'
import { standingDecisions } from '../store/in-force.ts'
import type { Writer } from '../store/store.ts'
import { manualDecision } from './manual-decision.ts'
import { type Change, change, isInForce, type Who } from './order-line.ts'
import { apply, type CommitParts, commit } from './revise.ts'
import { onFew } from './stage.ts'

/** The same for all orders of one request. */
export type Asked = {
  product: string
  /** The machine where the product gave the order. */
  host: string
  audience: readonly string[] | undefined
  direction: Direction | undefined
  /** How long the product may block by its settings; none when it never says "delete". */
  lengthsMs: readonly number[]
  /** What the product's own settings spare. */
  spared: readonly Address[]
  orders: readonly Order[]
}

export type Order = {
  /** Or why it could not be read. */
  order: ActiveResponse | Problem
  /** How long ago it was given: it may have had to wait for us. */
  agedMs: number
  /** The product blocks this address already, and only prolongs. */
  again: boolean
}

export const outcomes = [
  'blocked',
  'prolonged',
  'standing',
  'lifted',
  'kept',
  'nothing',
  'refused',
] as const
/** `said` is for the product's log. */
export type Responded = { did: (typeof outcomes)[number]; said: string; decision?: string }

type Parts = CommitParts & {
  policy(): Policy
  newId(): string
  facts: Pick<Facts, 'own' | 'sheltered'>
}
type Done = { answer: Responded; changes: readonly Change[] }

/** So long after the product's own time a block ends by itself. */
const marginMs = 60_000
/** An end that moves by less is not signed anew: an attack gives many alerts a second. */
const worthwhileMs = marginMs / 2
/** A clock that counts whole seconds, looked at once a second. */
const earlyMs = 5_000

/** One transaction: told again as a whole, it changes nothing. */
export function respond(parts: Parts, asked: Asked, actor: string): Promise<Responded[]> {
  return commit(parts, async (tx) => {
    const done: Done[] = []
    for (const order of asked.orders) done.push(...(await carryOut(parts, tx, asked, order, actor)))
    return { result: done.map(({ answer }) => answer), changes: done.flatMap((one) => one.changes) }
  })
}

async function carryOut(
  parts: Parts,
  tx: Writer,
  asked: Asked,
  given: Order,
  actor: string,
): Promise<Done[]> {
  const { order } = given
  if (order instanceof Problem) return [refused(order)]
  const done: Done[] = []
  for (const text of order.targets) {
    const who = { actor, reason: `${mark(asked)} on ${asked.host}: ${order.because}` }
    const one = { order, target: readAddress(text), who }
    const work = order.order === 'block' ? block : lift
    done.push(await work(parts, tx, asked, given, one).catch(refusal))
  }
  return done
}
type One = { order: ActiveResponse; target: Address; who: Who }

async function block(
  parts: Parts,
  tx: Writer,
  asked: Asked,
  given: Order,
  one: One,
): Promise<Done> {
  const policy = parts.policy()
  const target = checkOrder({ target: one.target.text, policy, facts: parts.facts })
  const { text } = target
  checkSpared(asked, one.target)
  const now = parts.now()
  const longest = longestOf(asked, one.order) ?? policy.defaults.lengthMs ?? 0
  const notAfter = now - given.agedMs + longest + (longestOf(asked, one.order) ? marginMs : 0)
  if (notAfter <= now)
    return nothing(`${text}: the order is so old that its time is over; nothing is blocked`)
  const standing = await findOurs(tx, asked, policy, one, now)
  if (standing) {
    const until = standing.notAfter ?? 0
    if (notAfter <= until + worthwhileMs) return standingStill(standing, text)
    const { after, changed } = await apply(
      tx,
      standing,
      { notAfter },
      one.who,
      'decision.extend',
      now,
    )
    return did('prolonged', after, `${text} stays blocked ${untilText(after)}`, [changed])
  }
  if (given.again && (await wasLifted(tx, text, now - longest)))
    return nothing(
      `${text} is left alone: its block was lifted, and the time that ${asked.product} gave it still runs`,
    )
  const { audience, direction } = asked
  const order = {
    target,
    lengthMs: notAfter - now,
    audience: audience && [...audience],
    direction,
  }
  const made = manualDecision(parts.newId(), order, policy, one.who, now)
  const decision = { ...made, ...(await onFew(tx, policy, made, made, now)) }
  await insertDecisions(tx, [decision])
  const changed = change(one.who, now, 'decision.issue', undefined, decision)
  return did('blocked', decision, `${text} is blocked ${untilText(decision)}`, [changed])
}

/** Only what this active response ordered, and nobody has taken into his own hands since. */
async function lift(parts: Parts, tx: Writer, asked: Asked, given: Order, one: One): Promise<Done> {
  const now = parts.now()
  const { text } = one.target
  const standing = await findOurs(tx, asked, parts.policy(), one, now)
  if (!standing) return nothing(`${text}: no block by this active response is in force`)
  if (isEarly(standing, longestOf(asked, one.order), asked, now - given.agedMs)) {
    const said = `${text} stays blocked ${untilText(standing)}: its time is not over, the product was stopped`
    return did('kept', standing, said, [])
  }
  const ended = { state: 'ended', ended: now, endReason: 'lifted' } as const
  const who = { ...one.who, reason: `${mark(asked)} on ${asked.host}: its time is over` }
  const { after, changed } = await apply(tx, standing, ended, who, 'decision.lift', now)
  return did('lifted', after, `${text} is let go of`, [changed])
}

/** The product was stopped, and says "delete" for all that it blocks; by itself it does so only when a time is over. */
function isEarly(
  { notAfter }: Decision,
  longest: number | undefined,
  { lengthsMs }: Asked,
  said: number,
): boolean {
  if (longest === undefined) return false
  const passed = said - ((notAfter ?? 0) - marginMs - longest)
  if (passed >= longest - earlyMs) return false
  return !lengthsMs.some((length) => passed >= length - earlyMs && passed <= length + marginMs)
}

function longestOf({ lengthsMs }: Asked, { lengthMs }: ActiveResponse): number | undefined {
  const all = lengthMs === undefined ? lengthsMs : [lengthMs]
  return all.length === 0 ? undefined : Math.max(...all)
}

async function findOurs(
  tx: Writer,
  asked: Asked,
  { defaults }: Policy,
  { target, who }: One,
  now: number,
): Promise<Decision | undefined> {
  const standing = await standingDecisions(tx, [target.text], now)
  const audience = JSON.stringify(asked.audience ?? defaults.audience)
  return standing.find(
    (decision) =>
      isInForce(decision) &&
      decision.actor === who.actor &&
      decision.note?.startsWith(mark(asked)) &&
      JSON.stringify(decision.rollout?.audience ?? decision.audience) === audience,
  )
}

/** Somebody lifted a block of this address by hand. */
async function wasLifted(tx: Writer, target: string, since: number): Promise<boolean> {
  const latest = await listDecisions(tx, { target, limit: 5 })
  return latest.some(
    ({ origin, endReason, ended, note }) =>
      origin === 'manual' &&
      endReason === 'lifted' &&
      (ended ?? 0) >= since &&
      !note?.startsWith('active response of '),
  )
}

/** Tells its decisions from those that somebody orders by hand with the same token. */
function mark({ product }: Asked): string {
  return `active response of ${product}`
}

function checkSpared({ spared }: Asked, target: Address): void {
  const by = spared.find((network) => overlaps(network, target))
  if (by === undefined) return
  throw new Problem('protected_target', `${target.text} overlaps ${by.text} of the white list`, {
    remedy: 'take the entry out of white_list if it is to be blocked',
  })
}

/** What the store says against it ends the whole request, which is then sent again. */
function refusal(error: unknown): Done {
  if (error instanceof Problem && error.status < 500) return refused(error)
  throw error
}

function refused(error: Problem): Done {
  const { message, remedy } = toProblem(error)
  const said = remedy === undefined ? message : `${message}; ${remedy}`
  return { answer: { did: 'refused', said }, changes: [] }
}

function nothing(said: string): Done {
  return { answer: { did: 'nothing', said }, changes: [] }
}

function standingStill(standing: Decision, target: string): Done {
  return did('standing', standing, `${target} is blocked already ${untilText(standing)}`, [])
}

function did(
  what: Responded['did'],
  { id }: Decision,
  said: string,
  changes: readonly Change[],
): Done {
  return { answer: { did: what, said: `${said} (${id})`, decision: id }, changes }
}

function untilText({ notAfter }: Decision): string {
  return `until ${printTime(notAfter ?? 0)}`
}
