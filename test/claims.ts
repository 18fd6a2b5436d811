/** What an audience is to enforce by what is in the store, as one list. */
import assert from 'node:assert/strict'
import type { StandingAction } from '#contract/action.ts'
import { chunkDigest, readChunk } from '#contract/snapshot.ts'
import { claimPages } from '../actions/store/outbox.ts'
import type { Reader } from '../actions/store/store.ts'

export async function claimsOf(
  db: Reader,
  audience: string,
  now: number,
): Promise<StandingAction[]> {
  const pages = await Array.fromAsync(claimPages(db, audience, now))
  return pages.flatMap(({ chunk }) => ordersIn(textOf(chunk)))
}

/** A chunk goes over the network as it is in UTF-8. */
export const textOf = (chunk: Uint8Array): string => Buffer.from(chunk).toString()

export function ordersIn(chunk: string): StandingAction[] {
  return [...readChunk(chunk, chunkDigest(chunk))].map((read) => {
    assert.ok('order' in read, 'refused' in read ? read.refused.message : '')
    return read.order
  })
}
