/** Every 15 s the service signs where each audience stands, so that a relay which withholds something is noticed. */
import { type HeadClaims, tokenType } from '#contract/envelope.ts'
import { type Head, readHead } from '../store/outbox.ts'
import type { Reader } from '../store/store.ts'
import { eventFrame, type Hub } from './hub.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

export const headIntervalMs = 15_000

/** How long a head may be believed: three intervals. */
const headLifeSeconds = 45

export async function publishHeads(
  db: Reader,
  hub: Hub,
  keys: SigningKeys,
  now: number,
): Promise<void> {
  for (const audience of hub.audiences()) {
    const head = await readHead(db, audience)
    hub.broadcast(
      audience,
      eventFrame('head', sign(keys.current(), tokenType.head, headClaims(keys.issuer, head, now))),
    )
  }
}

function headClaims(issuer: string, head: Head, now: number): HeadClaims {
  const iat = Math.floor(now / 1_000)
  const { audience, epoch, seq, hash } = head
  return { iss: issuer, aud: audience, iat, exp: iat + headLifeSeconds, epoch, seq, head: hash }
}
