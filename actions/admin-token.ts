/** A way in: the service makes an admin token at start when none is in force, or when it is told to. */
import { makeToken, type Randomness } from './flow/secret.ts'
import { appendJournal } from './store/journal.ts'
import type { Store } from './store/store.ts'
import { putToken, tokensInForce } from './store/tokens.ts'

/** The secret, when one was made. Who starts the service could read its store: this gives nothing that was not given. */
export async function makeWayIn(
  store: Store,
  random: Randomness,
  now: number,
  wanted: boolean,
): Promise<string | undefined> {
  return store.write(async (tx) => {
    const held = await tokensInForce(tx, now)
    if (!wanted && held.some(({ scopes }) => scopes.includes('admin'))) return undefined
    const { secret, token } = makeToken(random, now, {
      name: freeName(held.map(({ name }) => name)),
      scopes: ['admin'],
    })
    await putToken(tx, token)
    const after = { name: token.name, why: wanted ? 'asked for at start' : 'no admin in force' }
    await appendJournal(tx, [
      { at: now, actor: 'service', action: 'token.create', subject: token.id, after },
    ])
    return secret
  })
}

function freeName(taken: readonly string[]): string {
  if (!taken.includes('first-admin')) return 'first-admin'
  for (let count = 2; ; count++) if (!taken.includes(`admin-${count}`)) return `admin-${count}`
}
