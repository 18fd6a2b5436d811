/** What a signed statement changes in what is wished, and which answers it is owed. Touches no kernel. */
import { type BlockAction, DecisionId, readAction } from '#contract/action.ts'
import { type Address, readAddress } from '#contract/address.ts'
import { type EnvelopeClaims, envelopeHash } from '#contract/envelope.ts'
import { printable } from '#contract/printable.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import type { ReadRow } from '#contract/row.ts'
import type { Answer, Differences } from './differences.ts'
import { type Ceilings, type InForce, type Protected, refusal } from './guard.ts'
import type { Remembered, Standing } from './memory.ts'
import type { Recorder } from './record.ts'
import type { Claim, Wished } from './wished.ts'

export type AcceptOn = {
  wished: Wished
  record: Recorder
  differences: Differences
  now(): number
  here(): readonly Protected[]
  ceilings: Ceilings
}

type Place = Pick<Answer, 'audience' | 'epoch' | 'seq'>

/** An envelope that is the next one. Nothing in it can stop the sequence. */
export function acceptEnvelope(on: AcceptOn, claims: EnvelopeClaims, jws: string): void {
  const { aud: audience, epoch, seq } = claims
  on.record.stand(audience, { epoch, seq, hash: envelopeHash(jws), statement: jws })
  for (const entry of claims.actions) acceptAction(on, entry, { audience, epoch, seq })
}

function acceptAction(on: AcceptOn, entry: unknown, place: Place): void {
  try {
    const action = readAction(entry)
    if (action.action === 'block') acceptBlock(on, action, place)
    else drop(on, { ...place, decision: action.decision, status: 'ended' })
  } catch (error) {
    const decision = decisionOf(entry)
    if (decision) drop(on, refused({ ...place, decision }, toProblem(error)))
  }
}

function acceptBlock(on: AcceptOn, block: BlockAction, place: Place): void {
  const others = on.wished.size - (on.wished.get(place.audience, block.decision) ? 1 : 0)
  const target = readAddress(block.target)
  const answer = judge(on, block, target, place, others)
  if (answer.status !== 'applied') {
    drop(on, answer)
    return
  }
  const claim = claimOf(block, place.audience)
  on.wished.add(claim, target, on.differences.note)
  on.record.put(claim)
  on.differences.owe(answer)
}

/** Whatever a newer action says, the claim of the older one on the same decision is over. */
function drop(on: AcceptOn, answer: Answer): void {
  const gone = on.wished.remove(answer.audience, answer.decision, on.differences.note)
  if (gone) on.record.drop(answer.audience, answer.decision)
  on.differences.owe(answer)
}

/**
 * What the memory held. The answers are given once more: those of the time before the restart may have been
 * lost on their way, and the same answer twice does no harm.
 */
export function acceptRemembered(
  on: AcceptOn,
  { claims, dropped }: Pick<Remembered, 'claims' | 'dropped'>,
): void {
  for (const [audience, decision] of dropped)
    on.differences.owe({ ...placeOf(on, audience), decision, status: 'ended' })
  for (const claim of claims) {
    on.wished.add(claim, readAddress(claim.target), on.differences.note)
    on.differences.owe({
      ...placeOf(on, claim.audience),
      decision: claim.decision,
      status: 'applied',
    })
  }
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

/** A whole state of one audience that was checked: nothing about it can fail any more. */
export type Load = {
  audience: string
  /** Undefined when the audience is followed no longer. */
  standing: Standing | undefined
  claims: readonly Claim[]
  answers: readonly Answer[]
}

/** One row of a whole state, into the load that is being gathered. */
export function gather(
  on: AcceptOn,
  row: ReadRow,
  place: Place,
  into: { claims: Claim[]; answers: Answer[] },
): void {
  if ('refused' in row) {
    // Nobody can be told of a row that does not even name its decision.
    if (row.decision) into.answers.push(refused({ ...place, decision: row.decision }, row.refused))
    return
  }
  const { block, target } = row
  const answer = judge(on, block, target, place, into.claims.length)
  if (answer.status === 'applied') into.claims.push(claimOf(block, place.audience))
  else into.answers.push(answer)
}

/** Written to the disk as one step, then taken claim by claim, so that a caller can do other things between. */
export function* acceptLoad(on: AcceptOn, load: Load): Generator<void> {
  const { audience, standing, claims } = load
  const { epoch, seq } = standing ?? { epoch: 1, seq: 0 }
  const kept = new Set(claims.map((claim) => claim.decision))
  const gone = [...on.wished.audience(audience)].filter(({ decision }) => !kept.has(decision))
  for (const { decision } of gone) on.record.drop(audience, decision)
  if (standing) on.record.replace(audience, standing, claims)
  else on.record.forget(audience)
  for (const { decision } of gone) {
    on.wished.remove(audience, decision, on.differences.note)
    on.differences.owe({ audience, decision, epoch, seq, status: 'ended' })
    yield
  }
  for (const claim of claims) {
    on.wished.add(claim, readAddress(claim.target), on.differences.note)
    on.differences.owe({ audience, decision: claim.decision, epoch, seq, status: 'applied' })
    yield
  }
  for (const answer of load.answers) on.differences.owe(answer)
  on.record.loaded()
}

/** What this node will answer to a block once the kernel has done its part. */
function judge(
  on: AcceptOn,
  block: BlockAction,
  target: Address,
  place: Place,
  claims: number,
): Answer {
  const answer = { ...place, decision: block.decision }
  if (block.not_after <= on.now()) return { ...answer, status: 'ended' }
  const inForce: InForce = { claims, rare: on.wished.rareBeside(target) }
  const problem = refusal(block, target, on.here(), on.ceilings, inForce)
  return problem ? refused(answer, problem) : { ...answer, status: 'applied' }
}

function placeOf(on: AcceptOn, audience: string): Place {
  const { epoch, seq } = on.record.standing(audience) ?? { epoch: 1, seq: 0 }
  return { audience, epoch, seq }
}

function claimOf(block: BlockAction, audience: string): Claim {
  const { decision, target, direction, not_after: end } = block
  return { audience, decision, target, direction, end }
}

function refused(answer: Omit<Answer, 'status'>, problem: Problem): Answer {
  return {
    ...answer,
    status: 'refused',
    code: problem.code,
    detail: printable(problem.message, 300),
  }
}

function decisionOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || !('decision' in entry)) return undefined
  const read = DecisionId.safeParse(entry.decision)
  return read.success ? read.data : undefined
}
