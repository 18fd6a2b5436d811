/** API tokens: only the hash is kept; the secret is shown once. */
import type { Selectable } from 'kysely'
import { prepared, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

/**
 * `ingest` posts alerts, `read` looks, `respond` has the active responses of another product carried out, `review` decides and
 * may do what those two may, `admin` does everything.
 */
export const scopes = ['ingest', 'read', 'respond', 'review', 'admin'] as const
export type Scope = (typeof scopes)[number]

export type Token = {
  id: string
  /** SHA-256 of the secret, hex. */
  secret: string
  name: string
  scopes: Scope[]
  created: number
  expires: number | null
  revoked: number | null
}

export async function putToken(tx: Writer, token: Token): Promise<void> {
  await tx
    .insertInto('tokens')
    .values({ ...token, scopes: JSON.stringify(token.scopes) })
    .execute()
}

export async function findToken(db: Reader, secretHash: string): Promise<Token | undefined> {
  const [row] = await selectBySecret(db, { secret: secretHash })
  return row && fromRow(row)
}

const selectBySecret = prepared((db, { secret }: Slots<{ secret: string }>) =>
  db.selectFrom('tokens').selectAll().where('secret', '=', secret),
)

export async function listTokens(db: Reader): Promise<Token[]> {
  return (await db.selectFrom('tokens').selectAll().orderBy('created').execute()).map(fromRow)
}

/** What opens a door now: neither revoked nor past its end. */
export async function tokensInForce(db: Reader, now: number): Promise<Token[]> {
  const rows = await db
    .selectFrom('tokens')
    .selectAll()
    .where('revoked', 'is', null)
    .where((row) => row.or([row('expires', 'is', null), row('expires', '>', now)]))
    .execute()
  return rows.map(fromRow)
}

export async function revokeToken(tx: Writer, id: string, at: number): Promise<boolean> {
  const result = await tx
    .updateTable('tokens')
    .set({ revoked: at })
    .where('id', '=', id)
    .where('revoked', 'is', null)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

function fromRow(row: Selectable<Tables['tokens']>): Token {
  return { ...row, scopes: JSON.parse(row.scopes) as Scope[] }
}
