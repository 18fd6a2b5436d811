/**
 * Whether a statement of which the newest counts is one for this node: which lists an audience enforces as a whole, or its
 * standing rules. One statement serves all nodes of the audience, so that no nonce makes it fresh. Pure, given the keys.
 */
import type { z } from 'zod'
import { type TokenType, tokenType } from '#contract/envelope.ts'
import { FeedsClaims, feedChunkSize } from '#contract/feed.ts'
import { PostureClaims } from '#contract/posture.ts'
import { readStatement, type Trust } from './signature.ts'
import { refused, refuseStale, refuseStranger } from './unfit.ts'

/** Versions are times, but for those that came within one moment. */
const widestVersionMs = 3_600_000

type Newest = { iss: string; aud: string; iat: number; exp: number; version: number }

/** One older than `held` is `envelope_replayed`; the same again is none, since a part of it may still be missing. */
export type Verify<Claims> = (
  jws: string,
  trust: Trust,
  audiences: ReadonlySet<string>,
  held: (audience: string) => number | undefined,
  now: number,
) => Claims

export const verifyFeeds: Verify<FeedsClaims> = (...statement) => {
  const claims = verifyNewest(tokenType.feeds, FeedsClaims, ...statement)
  refuseFeedShape(claims)
  return claims
}

/** What the rules are is read later. */
export const verifyPosture: Verify<PostureClaims> = (...statement) =>
  verifyNewest(tokenType.posture, PostureClaims, ...statement)

function verifyNewest<Claims extends Newest>(
  type: TokenType,
  schema: z.ZodType<Claims>,
  ...[jws, trust, audiences, held, now]: Parameters<Verify<Claims>>
): Claims {
  const claims = readStatement(jws, type, schema, trust)
  refuseStranger(claims.aud, audiences)
  refuseStale(claims, now)
  const known = held(claims.aud) ?? 0
  if (claims.version < known)
    throw refused('envelope_replayed', `version is ${claims.version}, this node has ${known}`)
  refuseVersionAhead(claims)
  return claims
}

/** No later statement could replace one whose version has been counted far ahead. */
function refuseVersionAhead({ version, iat }: Newest): void {
  if (version > iat * 1_000 + widestVersionMs)
    throw refused('envelope_malformed', `version ${version} is counted ahead of its time`)
}

function refuseFeedShape({ feeds }: FeedsClaims): void {
  for (const { feed, entries, chunks } of feeds)
    if (chunks.length !== Math.ceil(entries / feedChunkSize))
      throw refused(
        'envelope_malformed',
        `${feed} has ${chunks.length} chunks for ${entries} entries`,
      )
}
