/** What is in force on an address: on it, within it, and around it. */
import { setImmediate as turn } from 'node:timers/promises'
import { type Address, contains, isHost, maybeAddress, overlaps, widen } from '#contract/address.ts'
import { type Decision, decisionsById } from '../store/decisions.ts'
import { peered, standingDecisions, targetsInForce } from '../store/in-force.ts'
import type { Reader, Writer } from '../store/store.ts'

/** Targets that are looked at before the event loop gets a turn: about 2 ms. */
const pageSize = 1_000

/**
 * Decisions in force that lie within the address, and wider ones that cover it. What covers it has one of a few
 * texts and is looked up; only what lies within a network needs a walk.
 */
export async function decisionsOn(
  db: Reader | Writer,
  address: Address,
  now: number,
): Promise<{ within: Decision[]; covering: Decision[] }> {
  const around = Array.from({ length: address.prefix }, (_, prefix) => widen(address, prefix).text)
  const covering = inForce(await standingDecisions(db, around, now))
  if (isHost(address))
    return { within: inForce(await standingDecisions(db, [address.text], now)), covering }
  const found = await decisionsById(db, [...(await idsWithin(db, address, now))])
  return { within: inForce([...found.values()]), covering }
}

/** Decisions in force whose peer is the address, lies within it or is around it. */
export async function decisionsTowards(
  db: Reader | Writer,
  address: Address,
  now: number,
): Promise<Decision[]> {
  const found = await peered(db, now)
  return found.filter(({ scope }) => {
    const peer = maybeAddress(scope.peer ?? '')
    return peer !== undefined && overlaps(peer, address)
  })
}

/** A block that is prolonged during the walk is met twice, and counts once. */
async function idsWithin(db: Reader | Writer, address: Address, now: number): Promise<Set<string>> {
  const ids = new Set<string>()
  // Every id sorts before this letter, so that what ends now is left out.
  let after = { notAfter: now, id: '~' }
  for (;;) {
    const page = await targetsInForce(db, after, pageSize)
    for (const { id, target } of page) {
      const read = maybeAddress(target)
      if (read && contains(address, read)) ids.add(id)
    }
    const last = page.at(-1)
    if (!last || page.length < pageSize) return ids
    after = last
    await turn()
  }
}

function inForce(decisions: readonly Decision[]): Decision[] {
  return decisions.filter(({ state }) => state === 'issued' || state === 'applied')
}
