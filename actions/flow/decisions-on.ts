/** What is in force on an address: on it, within it, and around it. */
import { type Address, contains, isHost, readAddress, widen } from '#contract/address.ts'
import { allInForce, type Decision, standingDecisions } from '../store/decisions.ts'
import type { Reader, Writer } from '../store/store.ts'

/** Decisions that are looked through when an address is lifted or asked about. */
const inForceLimit = 200_000

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
  const all = await allInForce(db, now, inForceLimit)
  return {
    within: all.filter(({ target }) => contains(address, readAddress(target ?? ''))),
    covering,
  }
}

function inForce(decisions: readonly Decision[]): Decision[] {
  return decisions.filter(({ state }) => state === 'issued' || state === 'applied')
}
