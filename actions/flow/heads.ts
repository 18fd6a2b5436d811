/** Every 15 s the service signs where each audience stands, so that a relay which withholds something is noticed. */
import { type HeadClaims, tokenType } from '#contract/envelope.ts'
import { type Head, readHead } from '../store/outbox.ts'
import type { Store } from '../store/store.ts'
import { eventFrame, type Hub } from './hub.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

export const headIntervalMs = 15_000

/** How long a head may be believed: three intervals. */
const headLifeSeconds = 45

/**
 * Heads are read in a turn of the write queue: there every envelope that was committed before has been published,
 * so that no node hears of a place before the envelope that leads there, and takes it for withheld.
 */
export async function publishHeads(
  store: Store,
  hub: Hub,
  keys: SigningKeys,
  now: number,
): Promise<void> {
  const heads = await store.note((tx) =>
    Promise.all(hub.audiences().map((audience) => readHead(tx, audience))),
  )
  for (const head of heads) {
    const claims = headClaims(keys.issuer, head, now)
    hub.broadcast(head.audience, eventFrame('head', sign(keys.current(), tokenType.head, claims)))
  }
}

function headClaims(issuer: string, head: Head, now: number): HeadClaims {
  const iat = Math.floor(now / 1_000)
  const { audience, epoch, seq, hash } = head
  return { iss: issuer, aud: audience, iat, exp: iat + headLifeSeconds, epoch, seq, head: hash }
}
