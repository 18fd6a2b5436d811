/** What providers of intelligence answered, and when they were asked: a restart asks nobody again and knows the day's quota. */
import { Intelligence } from '#contract/intelligence.ts'
import type { Reader, Writer } from './store.ts'

export type KeptAnswer = { intelligence: Intelligence; asked: number }

/** Undefined also for a row that cannot be read: then it is asked again, and written over. */
export async function readAnswer(
  db: Reader,
  provider: string,
  address: string,
): Promise<KeptAnswer | undefined> {
  const row = await db
    .selectFrom('intelligence')
    .select(['asked', 'answer'])
    .where('provider', '=', provider)
    .where('address', '=', address)
    .executeTakeFirst()
  const intelligence = row && readIntelligence(row.answer)
  return intelligence && { intelligence, asked: row.asked }
}

export async function putAnswer(tx: Writer, { intelligence, asked }: KeptAnswer): Promise<void> {
  const answer = JSON.stringify(intelligence)
  const { provider, address } = intelligence
  await tx
    .insertInto('intelligence')
    .values({ provider, address, asked, answer })
    .onConflict((conflict) =>
      conflict.columns(['provider', 'address']).doUpdateSet({ asked, answer }),
    )
    .execute()
}

/**
 * When the provider was asked since, the latest first, at most so many. An address that was asked twice counts once, and one
 * that gave no answer not at all: the provider's own word corrects that.
 */
export async function askedSince(
  db: Reader,
  provider: string,
  since: number,
  most: number,
): Promise<number[]> {
  const rows = await db
    .selectFrom('intelligence')
    .select('asked')
    .where('provider', '=', provider)
    .where('asked', '>', since)
    .orderBy('asked', 'desc')
    .limit(most)
    .execute()
  return rows.map(({ asked }) => asked)
}

export async function forgetAnswers(tx: Writer, provider: string, before: number): Promise<void> {
  await tx
    .deleteFrom('intelligence')
    .where('provider', '=', provider)
    .where('asked', '<', before)
    .execute()
}

function readIntelligence(text: string): Intelligence | undefined {
  try {
    return Intelligence.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
