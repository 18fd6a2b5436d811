/** The service's signing keys that a node trusts, and how it learns of a new one. */
import { z } from 'zod'
import { type KeysClaims, type PublicKey, thumbprint, toKeyObject } from '#contract/key.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { readAnswer } from './connect.ts'
import type { Trust } from './signature.ts'
import { refuseEarlyKeys, verifyKeys } from './verify-keys.ts'

/** `announced`: epoch seconds of the newest announcement taken, so that no older one is taken again. */
export type TrustedKeys = { issuer: string; keys: PublicKey[]; announced: number }

/** Parsed once: parsing at each statement would cost more than the check of the signature. */
export function trustOf(trusted: Pick<TrustedKeys, 'issuer' | 'keys'>): Trust {
  const keys = new Map(trusted.keys.map((key) => [thumbprint(key), toKeyObject(key)]))
  return { issuer: trusted.issuer, keys }
}

/**
 * What is trusted after these announcements, in whatever order they come: each must be signed by a key that is
 * trusted by then. The newest set replaces the older, so a retired key is trusted no longer. What is dated later than
 * `now` (ms of the service's clock) and the slack is not taken.
 */
export function takeAnnouncements(
  trusted: TrustedKeys,
  announcements: readonly string[],
  now: number,
): TrustedKeys {
  let held = trusted
  // Each is taken once: two of one second, each of which brings a key, would replace each other for ever.
  const left = new Set(announcements)
  for (let next = oldestNew(held, left, now); next; next = oldestNew(held, left, now)) {
    left.delete(next.jws)
    held = { ...held, keys: next.claims.keys, announced: next.claims.iat }
  }
  return held
}

/** Why one of them, though signed by a trusted key, is not taken yet: its date is in the future. */
export function earlyAnnouncement(
  { issuer, keys }: Pick<TrustedKeys, 'issuer' | 'keys'>,
  announcements: readonly string[],
  now: number,
): Problem | undefined {
  const trust = trustOf({ issuer, keys })
  return announcements
    .map((jws) => refusal(jws, trust, now))
    .find((problem) => problem?.code === 'envelope_expired')
}

function readKeys(jws: string, trust: Trust, now: number): KeysClaims {
  const claims = verifyKeys(jws, trust)
  refuseEarlyKeys(claims, now)
  return claims
}

function refusal(jws: string, trust: Trust, now: number): Problem | undefined {
  try {
    readKeys(jws, trust, now)
    return undefined
  } catch (error) {
    return toProblem(error)
  }
}

/** Asking more often than this would let a relay make every node ask all the time. */
const askAgainMs = 5_000
const Announcements = z.object({ announcements: z.array(z.string()) })

export type KeyringOn = {
  /** The answer of `GET /v1/keys`. */
  ask(): Promise<unknown>
  store(trusted: TrustedKeys): void
  monotonic(): number
  /** The service's clock. */
  now(): number
}

/** The keys in use, and the way to learn of new ones. */
export class Keyring {
  readonly #on: KeyringOn
  #trusted: TrustedKeys
  #trust: Trust
  #asked = Number.NEGATIVE_INFINITY
  #early: Problem | undefined
  #asking: Promise<void> | undefined

  constructor(on: KeyringOn, trusted: TrustedKeys) {
    this.#on = on
    this.#trusted = trusted
    this.#trust = trustOf(trusted)
  }

  get trust(): Trust {
    return this.#trust
  }

  /**
   * Who comes while an answer is on its way waits for it too. Throws what asking throws; that nothing new was announced
   * is no error. Throws `envelope_expired` when all that is new is dated in the future.
   */
  async learn(): Promise<void> {
    if (this.#on.monotonic() - this.#asked >= askAgainMs)
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined
      })
    await this.#asking
    if (this.#early) throw this.#early
  }

  /** Resolves when no answer is on its way. */
  async settled(): Promise<void> {
    await this.#asking?.catch(() => {
      // Told to those who asked.
    })
  }

  async #ask(): Promise<void> {
    this.#asked = this.#on.monotonic()
    this.#early = undefined
    const { announcements } = readAnswer(Announcements, await this.#on.ask(), '/v1/keys')
    this.#take(announcements, this.#on.now())
  }

  #take(announcements: readonly string[], now: number): void {
    const trusted = takeAnnouncements(this.#trusted, announcements, now)
    if (trusted === this.#trusted) {
      this.#early = earlyAnnouncement(trusted, announcements, now)
      return
    }
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
  now: number,
): { jws: string; claims: KeysClaims } | undefined {
  const trust = trustOf(trusted)
  return [...announcements]
    .flatMap((jws) => {
      try {
        return [{ jws, claims: readKeys(jws, trust, now) }]
      } catch {
        // Signed by a key that is not trusted (yet), or dated in the future: its turn may come later.
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
