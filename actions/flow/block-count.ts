/** How many blocks are in force and how many are new, for the ceilings; counted anew at most once a second. */
import type { Facts } from '../decide/facts.ts'
import type { Reader } from '../store/store.ts'
import { countBlocks } from '../store/tallies.ts'

const staleMs = 1_000
const windowMs = 60_000

export type BlockCount = {
  /** Reads the store when the last count is older than a second. Call before a batch. */
  refresh(db: Reader, now: number): Promise<void>
  /** So many blocks were issued since, and are on the disk. */
  add(blocks: number): void
  now(): Pick<Facts, 'blocksInForce' | 'blocksLastMinute'>
}

export function openBlockCount(): BlockCount {
  let counted = Number.NEGATIVE_INFINITY
  let inForce = 0
  let recent = 0
  return {
    refresh: async (db, now) => {
      if (now - counted < staleMs && now >= counted) return
      const count = await countBlocks(db, now, now - windowMs)
      inForce = count.inForce
      recent = count.recent
      counted = now
    },
    add: (blocks) => {
      inForce += blocks
      recent += blocks
    },
    now: () => ({ blocksInForce: inForce, blocksLastMinute: recent }),
  }
}
