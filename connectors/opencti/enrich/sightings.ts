/** Tells the platform of blocks that nodes have confirmed, whenever they do: sightings of what led to them. */
import { setTimeout as pause } from 'node:timers/promises'
import { addressScope, readAddress } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Refusal, Result, ResultDecision, Sink } from '#contract/result.ts'
import { addWork, workProcessed } from '../client/questions/work.ts'
import { askAbout, type Observable } from '../lookup/about.ts'
import { nodes } from '../lookup/judge.ts'
import { hostSpellings } from '../lookup/spellings.ts'
import type { Settings } from '../settings.ts'
import { addressId } from '../stix/id.ts'
import { bundleOf, type StixObject } from '../stix/stix-object.ts'
import { type Subject, tell } from '../stix/tell.ts'
import { type Tlp, tlpId } from '../stix/tlp.ts'
import { type AtWork, atWork } from './at-work.ts'
import { aboveCeiling } from './ceiling.ts'
import { newlySeen } from './newly-seen.ts'
import { unlessPassing } from './passing.ts'

/** Every node of a fleet confirms by itself: most of them say it of the same blocks. */
const most = 500
/** Addresses in one question and one bundle. */
const mostAtOnce = 25

/**
 * One sighting of what led to a block, however many nodes confirm it; none when the settings do not ask for it. Throws
 * `setting_invalid` when they do and lack what that needs.
 */
export function openSightings(settings: Settings): Sink[] {
  if (!settings.sightings) return []
  if (settings.id === undefined)
    throw new Problem('setting_invalid', 'opencti has no id to tell of sightings under', {
      remedy:
        'set CORDON_OPENCTI_ID to a UUID that stays the same for ever (uuidgen makes one), or CORDON_OPENCTI_SIGHTINGS=false',
    })
  let toldAt = Number.NEGATIVE_INFINITY
  return [
    {
      key: 'opencti/sightings',
      wants: (action) => action === 'receipt.applied',
      most,
      take: async (results, stop) => {
        const at = atWork.get(settings)
        if (!at) throw notAtWork()
        // What waits is not held up for what may come.
        const restMs = toldAt + settings.sightings_every - performance.now()
        if (results.length < most && restMs > 0) await pause(restMs, undefined, { signal: stop })
        const refused = await tellConfirmed(at, settings, results, stop)
        toldAt = performance.now()
        return refused
      },
    },
  ]
}

/** Each decision is told of once. What is told again since nobody knows whether it arrived adds nothing there. */
async function tellConfirmed(
  at: AtWork,
  settings: Settings,
  results: readonly Result[],
  stop: AbortSignal,
): Promise<Refusal[]> {
  const refused: Refusal[] = []
  const untold = await untoldOf(at, results)
  for (let from = 0; from < untold.length; from += mostAtOnce) {
    refused.push(...(await tellPiece(at, settings, untold.slice(from, from + mostAtOnce), stop)))
  }
  return refused
}

/** What is refused for what it is, is halved until that is alone, and only that is given up. */
async function tellPiece(
  at: AtWork,
  settings: Settings,
  piece: readonly Confirmed[],
  stop: AbortSignal,
): Promise<Refusal[]> {
  const targets = [...new Set(piece.map(({ target }) => target))]
  const problem = await tellOf(at, settings, targets, stop).catch(unlessPassing)
  if (!problem) {
    for (const { decision } of piece) await at.cordon.remember(nameOf(decision), 'told')
    return []
  }
  if (targets.length === 1) return piece.map(({ result: id }) => ({ id, problem }))
  const half = Math.ceil(piece.length / 2)
  return [
    ...(await tellPiece(at, settings, piece.slice(0, half), stop)),
    ...(await tellPiece(at, settings, piece.slice(half), stop)),
  ]
}

type Confirmed = { result: string; decision: string; target: string }

async function untoldOf({ cordon }: AtWork, results: readonly Result[]): Promise<Confirmed[]> {
  const confirmed = new Map<string, Confirmed>()
  for (const { id: result, decision } of results)
    if (decision?.target !== undefined && isBlocked(decision) && isWorthTelling(decision.target))
      confirmed.set(decision.id, { result, decision: decision.id, target: decision.target })
  const untold: Confirmed[] = []
  for (const one of confirmed.values())
    if ((await cordon.recall(nameOf(one.decision))) === undefined) untold.push(one)
  return untold
}

function nameOf(decision: string): string {
  return `block:${decision}`
}

/** Who is only slowed down, or let through, is no block to tell of. */
function isBlocked({ does }: ResultDecision): boolean {
  return does === 'block'
}

/** What is private here is somebody else's elsewhere. */
function isWorthTelling(target: string): boolean {
  const scope = addressScope(readAddress(target))
  return scope === 'global' || scope === 'documentation'
}

/** One question, one work, one bundle. */
async function tellOf(
  at: AtWork,
  settings: Settings,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<undefined> {
  const { id, client, send } = at
  const found = nodes((await client.ask(...askAbout(targets), { signal })).stixCyberObservables)
  const objects = new Map<string, StixObject>()
  let count = 0
  for (const target of targets) {
    const told = await objectsFor(at, settings, target, found, signal)
    if (told.length > 0) count++
    for (const object of told) objects.set(object.id, object)
  }
  if (count === 0) return
  const friendlyName = `Cordon: ${count} confirmed ${count === 1 ? 'block' : 'blocks'}`
  const { workAdd } = await client.ask(addWork, { connectorId: id, friendlyName }, { signal })
  const done = async (message: string, inError: boolean) => {
    if (workAdd) await client.ask(workProcessed, { id: workAdd.id, message, inError }, { signal })
  }
  try {
    await send(bundleOf([...objects.values()]), { work: workAdd?.id })
  } catch (error) {
    // Each try has a work of its own, which would be shown as running for ever.
    await done(toProblem(error).message, true).catch(() => {})
    throw error
  }
  // Such as a work that somebody deleted meanwhile: the bundle is there.
  await done(`sent ${objects.size} objects`, false).catch(unlessPassing)
}

/** Nothing where nothing was seen, such as for a block that a person or the platform itself asked for. */
async function objectsFor(
  { cordon, client }: AtWork,
  { author, max_tlp: ceiling, sightings_tlp: marking }: Settings,
  target: string,
  found: readonly Observable[],
  signal: AbortSignal,
): Promise<StixObject[]> {
  const subject = subjectOf(target, found, marking)
  if (await aboveCeiling(client, subject.markings, ceiling, { signal })) return []
  const knowledge = await cordon.knowledge(target)
  const seen = await newlySeen(cordon, knowledge, subject.id, true)
  return seen.length === 0 ? [] : tell(knowledge, subject, seen, author)
}

/** As the platform writes it, where it has it; there one address may stand in several spellings. */
function subjectOf(target: string, found: readonly Observable[], marking: Tlp): Subject {
  const same = new Set([target, ...hostSpellings(readAddress(target))])
  const known = found.find(({ observable_value }) => same.has(observable_value))
  return {
    type: target.includes(':') ? 'ipv6-addr' : 'ipv4-addr',
    id: known?.standard_id ?? addressId(target),
    value: known?.observable_value ?? target,
    markings: known ? (known.objectMarking ?? []).map((one) => one.standard_id) : [tlpId(marking)],
    granted: [],
  }
}

function notAtWork(): Problem {
  return new Problem('service_unreachable', 'the connector is not registered on the platform', {
    remedy: 'it is tried again by itself; "cordon connector list" says why enrichment is away',
  })
}
