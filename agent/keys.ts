/** The service's signing keys that a node trusts, and how it learns of a new one. */
import { z } from 'zod'
import { type KeysClaims, type PublicKey, thumbprint, toKeyObject } from '#contract/key.ts'
import { readAnswer } from './connect.ts'
import { type Trust, verifyKeys } from './verify.ts'

/** `announced`: epoch seconds of the newest announcement taken, so that no older one is taken again. */
export type TrustedKeys = { issuer: string; keys: PublicKey[]; announced: number }

/** Parsed once: parsing at each statement would cost more than the check of the signature. */
export function trustOf(trusted: Pick<TrustedKeys, 'issuer' | 'keys'>): Trust {
  const keys = new Map(trusted.keys.map((key) => [thumbprint(key), toKeyObject(key)]))
  return { issuer: trusted.issuer, keys }
}

/**
 * What is trusted after these announcements, in whatever order they come: each must be signed by a key that is
 * trusted by then. The newest set replaces the older, so a retired key is trusted no longer.
 */
export function takeAnnouncements(
  trusted: TrustedKeys,
  announcements: readonly string[],
): TrustedKeys {
  let now = trusted
  // Each is taken once: two of one second, each of which brings a key, would replace each other for ever.
  const left = new Set(announcements)
  for (let next = oldestNew(now, left); next; next = oldestNew(now, left)) {
    left.delete(next.jws)
    now = { ...now, keys: next.claims.keys, announced: next.claims.iat }
  }
  return now
}

/** Asking more often than this would let a relay make every node ask all the time. */
const askAgainMs = 5_000
const Announcements = z.object({ announcements: z.array(z.string()) })

export type KeyringOn = {
  /** The answer of `GET /v1/keys`. */
  ask(): Promise<unknown>
  store(trusted: TrustedKeys): void
  monotonic(): number
}

/** The keys in use, and the way to learn of new ones. */
export class Keyring {
  readonly #on: KeyringOn
  #trusted: TrustedKeys
  #trust: Trust
  #asked = Number.NEGATIVE_INFINITY

  constructor(on: KeyringOn, trusted: TrustedKeys) {
    this.#on = on
    this.#trusted = trusted
    this.#trust = trustOf(trusted)
  }

  get trust(): Trust {
    return this.#trust
  }

  /** Throws what asking throws; that nothing new was announced is no error. */
  async learn(): Promise<void> {
    const now = this.#on.monotonic()
    if (now - this.#asked < askAgainMs) return
    this.#asked = now
    const answer = readAnswer(Announcements, await this.#on.ask(), '/v1/keys')
    const trusted = takeAnnouncements(this.#trusted, answer.announcements)
    if (trusted === this.#trusted) return
    // Only the service can have something new to tell, and it may have again at once.
    this.#asked = Number.NEGATIVE_INFINITY
    this.#trusted = trusted
    this.#trust = trustOf(trusted)
    this.#on.store(trusted)
  }
}

function oldestNew(
  trusted: TrustedKeys,
  announcements: ReadonlySet<string>,
): { jws: string; claims: KeysClaims } | undefined {
  const trust = trustOf(trusted)
  return [...announcements]
    .flatMap((jws) => {
      try {
        return [{ jws, claims: verifyKeys(jws, trust) }]
      } catch {
        // Signed by a key that is not trusted (yet): not for this node, or its turn comes later.
        return []
      }
    })
    .filter(({ claims }) => isNews(claims, trust, trusted.announced))
    .sort((a, b) => a.claims.iat - b.claims.iat)[0]
}

/** Times are whole seconds: of two announcements in one second the later brings a key that is not known yet. */
function isNews({ iat, keys }: KeysClaims, trust: Trust, announced: number): boolean {
  if (iat !== announced) return iat > announced
  return keys.some((key) => !trust.keys.has(thumbprint(key)))
}
