/** What the nodes are to enforce: signed envelopes in sequence, and the wished state that they add up to. */
import { setImmediate as turn } from 'node:timers/promises'
import { type Selectable, sql } from 'kysely'
import type { StandingAction } from '#contract/action.ts'
import { noPrevious } from '#contract/envelope.ts'
import { printRow } from '#contract/row.ts'
import { chunkSize } from '#contract/snapshot.ts'
import { putFact, readFact } from './facts.ts'
import { prepared, preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type Head = { audience: string; epoch: number; seq: number; hash: string }
export type Envelope = Head & { jws: string; created: number }

/** The service's epoch; 1 until it was told that it lost its past. */
export async function readEpoch(db: Reader | Writer): Promise<number> {
  const epoch = await readFact(db, 'epoch')
  return epoch === undefined ? 1 : Number(epoch)
}

/** All sequences begin again at 1; the old envelopes are of no use to anybody. */
export async function beginEpoch(tx: Writer, epoch: number): Promise<void> {
  await putFact(tx, 'epoch', String(epoch))
  await tx.deleteFrom('heads').execute()
  await tx.deleteFrom('envelopes').execute()
}

/** Where an audience stands; before its first envelope at 0 of the present epoch. */
export async function readHead(db: Reader | Writer, audience: string): Promise<Head> {
  const [row] = await selectHead(db, { audience })
  return row ?? { audience, epoch: await readEpoch(db), seq: 0, hash: noPrevious }
}

const selectHead = prepared((db, { audience }: Slots<{ audience: string }>) =>
  db.selectFrom('heads').selectAll().where('audience', '=', audience),
)

/** In the transaction that took the head: one writer, so numbers are free of gaps in commit order. */
export async function insertEnvelope(tx: Writer, envelope: Envelope): Promise<void> {
  const { audience, epoch, seq, hash } = envelope
  await appendEnvelope(tx, envelope)
  await putHead(tx, { audience, epoch, seq, hash })
}

const appendEnvelope = prepared((db, envelope: Slots<Envelope>) =>
  db.insertInto('envelopes').values(envelope),
)
const putHead = prepared((db, { audience, ...place }: Slots<Head>) =>
  db
    .insertInto('heads')
    .values({ audience, ...place })
    .onConflict((conflict) => conflict.column('audience').doUpdateSet(place)),
)

export function envelopesAfter(
  db: Reader,
  head: Omit<Head, 'hash'>,
  limit: number,
): Promise<Envelope[]> {
  return db
    .selectFrom('envelopes')
    .selectAll()
    .where('audience', '=', head.audience)
    .where('epoch', '=', head.epoch)
    .where('seq', '>', head.seq)
    .orderBy('seq')
    .limit(limit)
    .execute()
}

export async function findEnvelope(
  db: Reader,
  at: Omit<Head, 'hash'>,
): Promise<Envelope | undefined> {
  return db
    .selectFrom('envelopes')
    .selectAll()
    .where('audience', '=', at.audience)
    .where('epoch', '=', at.epoch)
    .where('seq', '=', at.seq)
    .executeTakeFirst()
}

/**
 * Nodes that were away for longer take a snapshot. Numbers go with time, so each sequence is cut before its first young
 * one. At most `limit` of each audience; returns whether there may be more.
 */
export async function pruneEnvelopes(tx: Writer, before: number, limit: number): Promise<boolean> {
  let more = false
  for (const { audience, epoch } of await tx.selectFrom('heads').selectAll().execute()) {
    const oldest = await tx
      .selectFrom('envelopes')
      .select(['seq', 'created'])
      .where('audience', '=', audience)
      .where('epoch', '=', epoch)
      .orderBy('seq')
      .limit(limit)
      .execute()
    const old = oldest.findLast(({ created }) => created < before)
    if (!old) continue
    more ||= old === oldest[limit - 1]
    await tx
      .deleteFrom('envelopes')
      .where('audience', '=', audience)
      .where('epoch', '=', epoch)
      .where('seq', '<=', old.seq)
      .execute()
  }
  return more
}

export async function putClaims(
  tx: Writer,
  audience: string,
  orders: readonly StandingAction[],
): Promise<void> {
  await insertClaims(
    tx,
    orders.map((order) => toClaim(audience, order)),
  )
}

const insertClaims = preparedList((db, claims: readonly Slots<Claim>[]) =>
  db
    .insertInto('claims')
    .values(claims)
    .onConflict((conflict) =>
      conflict.columns(['audience', 'decision']).doUpdateSet((claim) => ({
        target: claim.ref('excluded.target'),
        not_after: claim.ref('excluded.not_after'),
        row: claim.ref('excluded.row'),
      })),
    ),
)

export async function dropClaims(
  tx: Writer,
  audience: string,
  decisions: readonly string[],
): Promise<void> {
  for (let i = 0; i < decisions.length; i += 500)
    await tx
      .deleteFrom('claims')
      .where('audience', '=', audience)
      .where('decision', 'in', decisions.slice(i, i + 500))
      .execute()
}

export async function anyEndedClaim(db: Reader, now: number): Promise<boolean> {
  return (await selectEndedClaim(db, { now })).length > 0
}

const selectEndedClaim = prepared((db, { now }: Slots<{ now: number }>) =>
  db.selectFrom('claims').select('decision').where('not_after', '<=', now).limit(1),
)

/** Returns how many went. */
export async function dropEndedClaims(tx: Writer, now: number, limit: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('claims')
    .where('number', 'in', (ended) =>
      ended.selectFrom('claims').select('number').where('not_after', '<=', now).limit(limit),
    )
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/**
 * So many claims as one chunk of a whole state: a row of its own for each costs more than all that is done with it. It
 * stays in UTF-8, which its digest and each answer take.
 */
type Page = { chunk: Uint8Array<ArrayBuffer>; count: number }

/**
 * What the audience is to enforce, a chunk at a time, in the order in which it was first issued. The event loop has a turn
 * between two pages: `db` must stay at one state of the store meanwhile.
 */
export async function* claimPages(db: Reader, audience: string, now: number): AsyncGenerator<Page> {
  for (let after = 0; ; ) {
    const [page] = await selectPage(db, { audience, now, after })
    if (!page?.count) return
    yield page
    after = page.last
    await turn()
  }
}

type Asked = { audience: string; now: number; after: number }

const selectPage = prepared((db, { audience, now, after }: Slots<Asked>) =>
  db
    .selectFrom(
      db
        .selectFrom('claims')
        .select(['number', 'row'])
        .where('audience', '=', audience)
        .where('number', '>', after)
        .where('not_after', '>', now)
        .orderBy('number')
        .limit(sql.lit(chunkSize))
        .as('page'),
    )
    .select([
      sql<Page['chunk']>`cast('[' || coalesce(group_concat(row, ','), '') || ']' as blob)`.as(
        'chunk',
      ),
      sql<number>`count(*)`.as('count'),
      sql<number>`coalesce(max(number), 0)`.as('last'),
    ]),
)

type Claim = Omit<Selectable<Tables['claims']>, 'number'>

function toClaim(audience: string, order: StandingAction): Claim {
  const { decision, target, not_after } = order
  return { audience, decision, target, not_after, row: printRow(order) }
}
