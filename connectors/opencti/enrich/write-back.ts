/** Tells the platform of confirmed blocks by itself: sightings of what led to them, many in one bundle. */
import { setTimeout as pause } from 'node:timers/promises'
import { addressScope, readAddress } from '#contract/address.ts'
import type { Cordon } from '#contract/connector.ts'
import type { Client } from '../client/client.ts'
import { addWork, workProcessed } from '../client/questions/work.ts'
import { askAbout, type Observable } from '../lookup/about.ts'
import { nodes } from '../lookup/judge.ts'
import { hostSpellings } from '../lookup/spellings.ts'
import { addressId } from '../stix/id.ts'
import { type Bundle, bundleOf, type StixObject } from '../stix/stix-object.ts'
import { type Subject, tell } from '../stix/tell.ts'
import { type Tlp, tlpId } from '../stix/tlp.ts'
import { aboveCeiling } from './ceiling.ts'
import { newlySeen } from './newly-seen.ts'

/** Addresses in one question and one bundle. */
const mostAtOnce = 50
const cursorName = 'confirmed-blocks'

export type WriteBackParts = {
  /** Of the connector. */
  id: string
  client: Client
  cordon: Cordon
  author: string
  ceiling: Tlp
  /** For addresses that the platform does not know yet. */
  marking: Tlp
  send(bundle: Bundle, work: { work: string | undefined }): Promise<void>
}

/** Until stopped. Rejects when the platform or the broker fails; the blocks are told after the next start then. */
export async function writeBack(
  parts: WriteBackParts,
  everyMs: number,
  stop: AbortSignal,
  told: () => void,
): Promise<void> {
  while (!stop.aborted) {
    if ((await tellConfirmed(parts, stop)) > 0) told()
    await pause(everyMs, undefined, { signal: stop }).catch(() => {})
  }
}

/** The cursor moves once the platform has all for sure; the same sightings again add nothing. Resolves with how many. */
export async function tellConfirmed(parts: WriteBackParts, signal: AbortSignal): Promise<number> {
  const { cordon } = parts
  let count = 0
  for (;;) {
    const before = await cordon.recall(cursorName)
    const { targets, cursor } = await cordon.confirmedBlocks(before)
    if (cursor === before) return count
    const worth = targets.filter(isWorthTelling)
    for (let at = 0; at < worth.length; at += mostAtOnce)
      count += await tellOf(parts, worth.slice(at, at + mostAtOnce), signal)
    await cordon.remember(cursorName, cursor)
  }
}

/** What is private here is somebody else's elsewhere. */
function isWorthTelling(target: string): boolean {
  const scope = addressScope(readAddress(target))
  return scope === 'global' || scope === 'documentation'
}

async function tellOf(
  parts: WriteBackParts,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { id, client, author } = parts
  const found = nodes((await client.ask(...askAbout(targets), { signal })).stixCyberObservables)
  const objects = new Map<string, StixObject>()
  let count = 0
  for (const target of targets) {
    const told = await objectsFor(parts, target, found, author, signal)
    if (told.length > 0) count++
    for (const object of told) objects.set(object.id, object)
  }
  if (count === 0) return 0
  const friendlyName = `Cordon: ${count} confirmed ${count === 1 ? 'block' : 'blocks'}`
  const { workAdd } = await client.ask(addWork, { connectorId: id, friendlyName }, { signal })
  await parts.send(bundleOf([...objects.values()]), { work: workAdd?.id })
  if (workAdd) {
    const message = `sent ${objects.size} objects`
    await client.ask(workProcessed, { id: workAdd.id, message, inError: false }, { signal })
  }
  return count
}

/** Nothing where nothing was seen, such as for a block that a person or the platform itself asked for. */
async function objectsFor(
  { cordon, client, ceiling, marking }: WriteBackParts,
  target: string,
  found: readonly Observable[],
  author: string,
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
