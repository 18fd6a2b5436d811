/** What an audience is to enforce by what is in the store, as one list. */
import type { StandingAction } from '#contract/action.ts'
import { claimPages } from '../actions/store/outbox.ts'
import type { Reader } from '../actions/store/store.ts'

export async function claimsOf(
  db: Reader,
  audience: string,
  now: number,
): Promise<StandingAction[]> {
  return (await Array.fromAsync(claimPages(db, audience, now))).flat()
}
