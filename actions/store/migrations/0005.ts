/** Decisions in force that name who is at the other end are found without a look at all that are in force. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `create index decisions_with_peer on decisions (not_after)
         where instr(scope, '"peer":') > 0 and state in ('issued', 'applied')`,
    )
    .execute(db)
}
