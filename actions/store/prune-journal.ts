/** Lets the oldest lines of the journal go, and leaves an anchor by which the rest still verifies. */
import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import { appendJournal, type JournalLine, newestLine, readAnchor } from './journal.ts'
import { stepRows } from './retention.ts'
import type { Reader, Writer } from './store.ts'

type Line = Pick<JournalLine, 'seq' | 'at' | 'hash'>

export type PruneTarget = { through: number; hash: string; lines: number }

/** The last line of those before the first that is of this time or later, or after line `upto`; undefined when there is none. */
export async function journalOfAge(
  db: Reader,
  before: number,
  upto = Number.POSITIVE_INFINITY,
): Promise<PruneTarget | undefined> {
  let target: Line | undefined
  let lines = 0
  for (;;) {
    const page: Line[] = await db
      .selectFrom('journal')
      .select(['seq', 'at', 'hash'])
      .where('seq', '>', target?.seq ?? 0)
      .orderBy('seq')
      .limit(stepRows)
      .execute()
    const young = page.findIndex(({ at, seq }) => at >= before || seq > upto)
    const old = young < 0 ? page : page.slice(0, young)
    target = old.at(-1) ?? target
    lines += old.length
    if (old.length < stepRows) break
    await turn()
  }
  return target && { through: target.seq, hash: target.hash, lines }
}

/** When the oldest decision was made that waits or is in force: its time line is in the journal. */
export async function oldestStanding(db: Reader): Promise<number> {
  const waiting = await db
    .selectFrom('decisions')
    .select('created')
    .where(sql<boolean>`state = 'waiting'`)
    .orderBy('created')
    .limit(1)
    .executeTakeFirst()
  let oldest = waiting?.created ?? Number.POSITIVE_INFINITY
  let after = { not_after: Number.MIN_SAFE_INTEGER, id: '' }
  for (;;) {
    const page = await db
      .selectFrom('decisions')
      .select(['id', 'created', 'not_after'])
      .where(sql<boolean>`state in ('issued', 'applied')`)
      .where(sql<boolean>`(not_after, id) > (${after.not_after}, ${after.id})`)
      .orderBy('not_after')
      .orderBy('id')
      .limit(stepRows)
      .execute()
    for (const { created } of page) oldest = Math.min(oldest, created)
    const last = page.at(-1)
    if (!last || page.length < stepRows) return oldest
    after = { id: last.id, not_after: last.not_after ?? 0 }
    await turn()
  }
}

/**
 * Says in the journal itself which lines go, before the first of them does: so a removal that was cut off in the middle
 * verifies too, and is gone on with.
 */
export async function announcePrune(
  tx: Writer,
  target: PruneTarget,
  { now, actor }: { now: number; actor: string },
): Promise<void> {
  const said = await newestLine(tx, 'journal')
  const anchor = said && readAnchor(said)
  if (anchor && anchor.through >= target.through) return
  const entry = { at: now, actor, action: 'journal.prune', subject: 'journal' }
  await appendJournal(tx, [{ ...entry, after: target }])
}

/** Oldest first, at most a step's; returns how many went. */
export async function removeJournal(tx: Writer, through: number): Promise<number> {
  const { numAffectedRows } = await sql`delete from journal where seq in
    (select seq from journal where seq <= ${through} order by seq limit ${stepRows})`.execute(tx)
  return Number(numAffectedRows ?? 0)
}
