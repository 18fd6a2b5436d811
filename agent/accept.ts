/** What a signed statement changes in what is wished, and which answers it is owed. Touches no kernel. */
import { DecisionId, readAction, type StandingAction } from '#contract/action.ts'
import { type Address, readAddress } from '#contract/address.ts'
import { type EnvelopeClaims, envelopeHash } from '#contract/envelope.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import type { ReadRow } from '#contract/row.ts'
import { type Answer, type Differences, type Place, refused } from './differences.ts'
import {
  type Ceilings,
  type InForce,
  incapable,
  type Protected,
  refusal,
  tooMany,
} from './guard.ts'
import type { Expresses } from './kernel/firewall.ts'
import type { LinkNotes, Links } from './link-notes.ts'
import type { Remembered, Standing } from './memory.ts'
import type { Recorder } from './record.ts'
import { fit, isScarce, releaseScarce } from './room.ts'
import { scopedOf } from './scope.ts'
import type { Claim, Wished } from './wished.ts'

export type AcceptOn = {
  wished: Wished
  record: Recorder
  differences: Differences
  now(): number
  here(): readonly Protected[]
  ceilings: Ceilings
  /** What the firewall of this node can do. */
  expresses: Expresses
  links?: Links
  notes: LinkNotes
  /** Why it is refused although the guard has nothing against it. */
  refuses?(order: StandingAction, target: Address): Problem | undefined
}

/** By what an order is judged before anything is changed, but for what the firewall can do. */
export type Judging = Pick<AcceptOn, 'now' | 'here' | 'ceilings' | 'refuses'>
export type Judge = Judging & Pick<AcceptOn, 'expresses'>

/** An envelope that is the next one. Nothing in it can stop the sequence. */
export function acceptEnvelope(on: AcceptOn, claims: EnvelopeClaims, jws: string): void {
  const { aud: audience, epoch, seq } = claims
  on.record.stand(audience, { epoch, seq, hash: envelopeHash(jws), statement: jws })
  for (const entry of claims.actions) acceptAction(on, entry, { audience, epoch, seq })
}

function acceptAction(on: AcceptOn, entry: unknown, place: Place): void {
  try {
    const action = readAction(entry)
    if (action.action === 'lift') drop(on, { ...place, decision: action.decision, status: 'ended' })
    else acceptOrder(on, action, place)
  } catch (error) {
    const decision = decisionOf(entry)
    if (decision) drop(on, refused({ ...place, decision }, toProblem(error)))
  }
}

/** Whatever a newer action says, the claim of the older one on the same decision is over, and its room is free. */
function acceptOrder(on: AcceptOn, order: StandingAction, place: Place): void {
  const older = on.wished.remove(place.audience, order.decision, on.differences.note)
  const target = readAddress(order.target)
  const claim = claimOf(order, place.audience)
  const rare = on.wished.rareWith(claim, target)
  const scoped = on.wished.scopedWith(claim, target)
  const inForce = { claims: on.wished.committed, rare, scoped }
  const objection = objectionTo(on, order, target, place, inForce)
  if (objection) {
    if (older) on.record.drop(place.audience, order.decision)
    on.differences.owe(objection)
    return
  }
  on.wished.add(claim, target, on.differences.note)
  on.record.put(claim)
  on.differences.owe(applied(place, claim, on.notes.reading(on.links)))
}

function drop(on: AcceptOn, answer: Answer): void {
  const gone = on.wished.remove(answer.audience, answer.decision, on.differences.note)
  if (gone) on.record.drop(answer.audience, answer.decision)
  on.differences.owe(answer)
}

/**
 * What the memory held. The answers are given once more: those of the time before the restart may have been
 * lost on their way, and the same answer twice does no harm. Another version may have held more rare networks than
 * this one can: the kernel would refuse all for the sake of one.
 */
export function acceptRemembered(
  on: AcceptOn,
  { claims, dropped, refused: before }: Pick<Remembered, 'claims' | 'dropped' | 'refused'>,
): void {
  for (const answer of before) on.differences.owe(answer)
  for (const [audience, decision] of dropped)
    on.differences.owe({ ...placeOf(on, audience), decision, status: 'ended' })
  const noteOn = on.notes.reading(on.links)
  for (const claim of claims) {
    const { audience, decision } = claim
    const place = placeOf(on, audience)
    const target = readAddress(claim.target)
    const rare = on.wished.rareWith(claim, target)
    const inForce = { claims: 0, rare, scoped: on.wished.scopedWith(claim, target) }
    const problem = incapable(claim, target, on.expresses) ?? tooMany(inForce, on.ceilings)
    if (problem) on.record.drop(audience, decision)
    else on.wished.add(claim, target, on.differences.note)
    on.differences.owe(
      problem ? refused({ ...place, decision }, problem) : applied(place, claim, noteOn),
    )
  }
}

/** The interfaces of this node may have changed. Whether something is owed for it. */
export function acceptLinks(on: AcceptOn): boolean {
  const place = (audience: string) => placeOf(on, audience)
  const answers = on.notes.look(on.wished.scopes.naming, on.links, place)
  for (const answer of answers) on.differences.owe(answer)
  return answers.length > 0
}

/** Claims whose end has come; the kernel has let go by itself, or does now. */
export function acceptEnds(on: AcceptOn): void {
  for (;;) {
    const claim = on.wished.removeEnded(on.now(), on.differences.note)
    if (!claim) return
    on.differences.owe({
      ...placeOf(on, claim.audience),
      decision: claim.decision,
      status: 'ended',
    })
  }
}

/** A whole state of one audience that was checked: all that can still be wrong with it is that there is no room. */
export type Load = {
  audience: string
  /** Undefined when the audience is followed no longer. */
  standing: Standing | undefined
  claims: readonly Claim[]
  answers: readonly Answer[]
}

export type Gathered = { claims: Claim[]; answers: Answer[] }

/** One row of a whole state, into the load that is being gathered. */
export function gather(on: Judge, row: ReadRow, place: Place, into: Gathered): void {
  if ('refused' in row) {
    // Nobody can be told of a row that does not even name its decision.
    if (row.decision) into.answers.push(refused({ ...place, decision: row.decision }, row.refused))
    return
  }
  const { order, target } = row
  // What there is room for shows only when the state is taken; but no more than that shall pile up here.
  const objection = objectionTo(on, order, target, place, { claims: into.claims.length, rare: 0 })
  if (objection) into.answers.push(objection)
  else into.claims.push(claimOf(order, place.audience))
}

/**
 * Written to the disk as one step, then taken claim by claim, so that a caller can do other things between. What is
 * scarce is taken before the first pause: how many there is room for depends on which there are.
 */
export function* acceptLoad(on: AcceptOn, load: Load): Generator<void> {
  const { audience, standing } = load
  const { epoch, seq } = standing ?? { epoch: 1, seq: 0 }
  const place = { audience, epoch, seq }
  const held = [...on.wished.audience(audience)].map(({ decision }) => decision)
  releaseScarce(on, audience, load.claims)
  const { claims, answers } = fit(on, place, load.claims)
  on.wished.promise(audience, claims.length)
  const kept = new Set(held.length > 0 ? claims.map(({ decision }) => decision) : [])
  const gone = held.filter((decision) => !kept.has(decision))
  for (const decision of gone) on.record.drop(audience, decision)
  const refusals = new Set(answers.map(({ decision }) => decision))
  // Before the new position is on the disk, so that it cannot be there without them.
  for (const answer of answers) on.differences.owe(answer)
  if (standing) on.record.replace(audience, standing, claims)
  else on.record.forget(audience)
  for (const decision of gone) {
    on.wished.remove(audience, decision, on.differences.note)
    if (!refusals.has(decision)) on.differences.owe({ ...place, decision, status: 'ended' })
    yield
  }
  const noteOn = on.notes.reading(on.links)
  for (const claim of claims) {
    if (!isScarce(claim)) on.wished.add(claim, readAddress(claim.target), on.differences.note)
    on.differences.owe(applied(place, claim, noteOn))
    yield
  }
  on.wished.fulfil()
  for (const answer of load.answers) on.differences.owe(answer)
  on.record.loaded()
}

/** Why an order is not carried out, as the answer to it; undefined when the kernel is to do its part. */
function objectionTo(
  on: Judge,
  order: StandingAction,
  target: Address,
  place: Place,
  inForce: InForce,
): Answer | undefined {
  const { decision } = order
  if (order.not_after <= on.now()) return { ...place, decision, status: 'ended' }
  const problem =
    refusal(order, target, on.here(), on.ceilings, inForce, on.expresses) ??
    on.refuses?.(order, target)
  return problem && refused({ ...place, decision }, problem)
}

/** Once the kernel has done its part. */
function applied(
  { audience, epoch, seq }: Place,
  claim: Claim,
  noteOn: (claim: Claim) => { readonly detail?: string },
): Answer {
  const answer: Answer = { audience, epoch, seq, decision: claim.decision, status: 'applied' }
  return claim.scoped ? { ...answer, ...noteOn(claim) } : answer
}

/** Where the node stands in its sequence. */
export function placeOf(on: Pick<AcceptOn, 'record'>, audience: string): Place {
  const { epoch, seq } = on.record.standing(audience) ?? { epoch: 1, seq: 0 }
  return { audience, epoch, seq }
}

function claimOf(order: StandingAction, audience: string): Claim {
  const { decision, target, direction, not_after: end } = order
  const plain = { audience, decision, target, direction, end }
  const scoped = scopedOf(order)
  return scoped ? { ...plain, scoped } : plain
}

function decisionOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || !('decision' in entry)) return undefined
  const read = DecisionId.safeParse(entry.decision)
  return read.success ? read.data : undefined
}
