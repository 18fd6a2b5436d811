/** What the nodes are to enforce: signed envelopes in sequence, and the wished state that they add up to. */
import { setImmediate as turn } from 'node:timers/promises'
import { type Selectable, sql } from 'kysely'
import type { StandingAction } from '#contract/action.ts'
import { noPrevious } from '#contract/envelope.ts'
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
        action: claim.ref('excluded.action'),
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
  const ended = sql`select rowid from claims where not_after <= ${now} limit ${limit}`
  const { numDeletedRows } = await tx
    .deleteFrom('claims')
    .where(sql<boolean>`rowid in (${ended})`)
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** Claims that are read in one go, about 1 ms. */
const pageSize = 1_000
/** The same of their numbers alone. */
const numbersSize = 5 * pageSize

/**
 * What the audience is to enforce, in pages, between which the event loop has a turn: `db` must stay at one state of the
 * store meanwhile. Decision ids are random, so rows are read in the order in which they lie on the disk.
 */
export async function* claimPages(
  db: Reader,
  audience: string,
  now: number,
): AsyncGenerator<StandingAction[]> {
  const numbers = Float64Array.from(await rowNumbers(db, audience)).sort()
  for (let from = 0; from < numbers.length; from += pageSize) {
    const page = JSON.stringify([...numbers.subarray(from, from + pageSize)])
    const [row] = await selectPage(db, { numbers: page, now })
    yield JSON.parse(row?.actions ?? '[]') as StandingAction[]
    await turn()
  }
}

async function rowNumbers(db: Reader, audience: string): Promise<number[]> {
  const found: number[] = []
  for (let after: string | null = ''; after !== null; ) {
    const [row]: Numbers[] = await selectNumbers(db, { audience, after })
    for (const number of JSON.parse(row?.numbers ?? '[]')) found.push(number)
    after = row?.last ?? null
    await turn()
  }
  return found
}

type Numbers = { numbers: string; last: string | null }

const selectNumbers = prepared(
  (db, { audience, after }: Slots<{ audience: string; after: string }>) =>
    db
      .selectFrom(
        db
          .selectFrom('claims')
          .select([sql<number>`rowid`.as('number'), 'decision'])
          .where('audience', '=', audience)
          .where('decision', '>', after)
          .orderBy('decision')
          .limit(numbersSize)
          .as('page'),
      )
      .select([
        sql<string>`json_group_array(number)`.as('numbers'),
        sql<string | null>`max(decision)`.as('last'),
      ]),
)

/** As one text: a row of its own for each costs more than all that is done with it. */
const selectPage = prepared((db, { numbers, now }: Slots<{ numbers: string; now: number }>) =>
  db
    .selectFrom('claims')
    .select(sql<string>`'[' || coalesce(group_concat(action), '') || ']'`.as('actions'))
    .where(sql<boolean>`rowid in (select value from json_each(${numbers}))`)
    .where('not_after', '>', now),
)

type Claim = Selectable<Tables['claims']>

function toClaim(audience: string, order: StandingAction): Claim {
  return {
    audience,
    decision: order.decision,
    target: order.target,
    not_after: order.not_after,
    action: JSON.stringify(order),
  }
}
