/** Whether a signed statement is from the service, for this node, fresh, and the next one. Pure, given the keys. */
import type { KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import type { Position } from '#contract/audience.ts'
import {
  algorithm,
  EnvelopeClaims,
  HeadClaims,
  type TokenType,
  tokenType,
} from '#contract/envelope.ts'
import { FeedsClaims, feedChunkSize } from '#contract/feed.ts'
import { KeysClaims } from '#contract/key.ts'
import { PostureClaims } from '#contract/posture.ts'
import { Problem, type ProblemCode } from '#contract/problem.ts'
import { chunkSize, SnapshotClaims } from '#contract/snapshot.ts'
import { latestMs } from '#contract/time.ts'
import { clockSlackMs } from './clock.ts'

/** Whose statements count, and how far: one issuer, its keys by thumbprint, the largest whole state worth asking for. */
export type Trust = {
  readonly issuer: string
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly mostBlocks?: number
}

/**
 * A new epoch begins when the service lost its past or a person says so, which is rare. A step as wide as this
 * is no restored backup: it would use up the numbers, and no honest service could ever follow it.
 */
const widestEpochStep = 1_000
/** Versions of lists are times, but for those that came within one moment. */
const widestVersionMs = 3_600_000
/** The epoch before the first one that a service has. */
const noEpoch = 0

/** That the service said it, to whomever. Throws a Problem with an `envelope_*` code. */
export function readEnvelope(jws: string, trust: Trust): EnvelopeClaims {
  return readStatement(jws, tokenType.actions, EnvelopeClaims, trust)
}

/**
 * That it is for this node, fresh, and the next one after `held`. Throws a Problem with an `envelope_*` code; when
 * it is a gap, a fork, an epoch or an age, the audience's whole state is to be asked for.
 */
export function refuseUnfit(
  claims: EnvelopeClaims,
  audiences: ReadonlySet<string>,
  held: Position | undefined,
  now: number,
): void {
  refuseStranger(claims.aud, audiences)
  refuseRepeat(claims, held)
  refuseStale(claims, now)
  refuseOutOfOrder(claims, held)
}

/** That the service said it, to whomever and whenever. Throws as readEnvelope does. */
export function readHead(jws: string, trust: Trust): HeadClaims {
  return readStatement(jws, tokenType.head, HeadClaims, trust)
}

export function verifyHead(
  jws: string,
  trust: Trust,
  audiences: ReadonlySet<string>,
  now: number,
): HeadClaims {
  const claims = readHead(jws, trust)
  refuseStranger(claims.aud, audiences)
  refuseStale(claims, now)
  return claims
}

/**
 * Only the manifest that answers this node's own nonce. A higher epoch is taken here and nowhere else; a state
 * older than the node's own is `envelope_epoch`, `envelope_replayed` or `envelope_fork`: the service lost its past.
 * One that promises more than this node takes is `ceiling_reached`, before any chunk of it is asked for.
 */
export function verifyManifest(
  jws: string,
  trust: Trust,
  audience: string,
  nonce: string,
  position: Position | undefined,
  now: number,
): SnapshotClaims {
  const claims = readStatement(jws, tokenType.snapshot, SnapshotClaims, trust)
  refuseStranger(claims.aud, new Set([audience]))
  refuseStale(claims, now)
  if (claims.nonce !== nonce)
    throw refused('envelope_replayed', 'the manifest answers another question than the one asked')
  if (position) refuseOlderState(claims, position)
  refuseEpochStep(claims.epoch, position?.epoch ?? noEpoch)
  refuseShape(claims, trust.mostBlocks)
  return claims
}

/**
 * Which lists an audience enforces as a whole: one statement for all its nodes, so that no nonce makes it fresh. One older
 * than `held` is `envelope_replayed`; the same again is none, since a list of it may still be missing.
 */
export function verifyFeeds(
  jws: string,
  trust: Trust,
  audiences: ReadonlySet<string>,
  held: (audience: string) => number | undefined,
  now: number,
): FeedsClaims {
  const claims = readStatement(jws, tokenType.feeds, FeedsClaims, trust)
  refuseStranger(claims.aud, audiences)
  refuseStale(claims, now)
  const known = held(claims.aud) ?? 0
  if (claims.version < known)
    throw refused('envelope_replayed', `version is ${claims.version}, this node has ${known}`)
  refuseFeedShape(claims)
  return claims
}

/** The standing rules of an audience, as for lists; what they are is read later. */
export function verifyPosture(
  jws: string,
  trust: Trust,
  audiences: ReadonlySet<string>,
  held: (audience: string) => number | undefined,
  now: number,
): PostureClaims {
  const claims = readStatement(jws, tokenType.posture, PostureClaims, trust)
  refuseStranger(claims.aud, audiences)
  refuseStale(claims, now)
  const known = held(claims.aud) ?? 0
  if (claims.version < known)
    throw refused('envelope_replayed', `version is ${claims.version}, this node has ${known}`)
  refuseVersionAhead(claims)
  return claims
}

/** A key set under a trusted key's signature. It does not age: the order of `iat` tells which is newest. */
export function verifyKeys(jws: string, trust: Trust): KeysClaims {
  return readStatement(jws, tokenType.keys, KeysClaims, trust)
}

/** Throws `envelope_expired`: no later key set could replace one from the future before its time has come. */
export function refuseEarlyKeys({ iat }: KeysClaims, now: number): void {
  if (iat * 1_000 > now + clockSlackMs) throw early(iat)
}

const Issued = z.object({ iat: z.number() })

/** When a statement that was verified before was signed (ms); 0 for text that is none. */
export function issuedAt(jws: string): number {
  const read = Issued.safeParse(jwt.decode(jws))
  return read.success ? read.data.iat * 1_000 : 0
}

/** The claims that the service signed as this type. The order of the checks is what makes them safe. */
function readStatement<Claims extends { iss: string }>(
  jws: string,
  type: TokenType,
  schema: z.ZodType<Claims>,
  trust: Trust,
): Claims {
  const { kid } = readHeader(jws, type)
  const key = trust.keys.get(kid)
  if (!key)
    throw refused(
      'envelope_key_unknown',
      `signed with key ${kid.slice(0, 60)}, which is not trusted`,
    )
  const read = schema.safeParse(checkSignature(jws, key))
  if (!read.success)
    throw refused('envelope_malformed', `the claims are not those of ${type}`, read.error)
  if (read.data.iss !== trust.issuer)
    throw refused(
      'envelope_issuer',
      `issued by ${read.data.iss.slice(0, 100)}, not ${trust.issuer}`,
    )
  return read.data
}

/** Strict: a header that asks for more (`crit`, `jku`, `jwk`) is one that this version does not understand. */
const Header = z.strictObject({ alg: z.string(), typ: z.string(), kid: z.string() })

function readHeader(jws: string, type: TokenType): z.infer<typeof Header> {
  const parts = jws.split('.')
  if (parts.length !== 3) throw refused('envelope_malformed', 'this is no compact JWS')
  const read = Header.safeParse(parseHeader(parts[0] ?? ''))
  const alg = read.success ? read.data.alg : undefined
  if (!read.success)
    throw refused('envelope_malformed', 'the header is not {alg, typ, kid}', read.error)
  if (alg !== algorithm)
    throw refused('envelope_algorithm', `signed with ${alg}, expected ${algorithm}`)
  if (read.data.typ !== type)
    throw refused('envelope_malformed', `type is ${read.data.typ.slice(0, 60)}, expected ${type}`)
  return read.data
}

function parseHeader(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch (error) {
    throw refused('envelope_malformed', 'the header is no JSON', error)
  }
}

/**
 * Age is judged by the service's clock, later; the library would use the node's. A key that is no P-256 key cannot be
 * among those that are trusted (`toKeyObject`), so it is not looked into again for each statement.
 */
const checks: jwt.VerifyOptions = {
  algorithms: [algorithm],
  ignoreExpiration: true,
  allowInvalidAsymmetricKeyTypes: true,
}

function checkSignature(jws: string, key: KeyObject): unknown {
  try {
    return jwt.verify(jws, key, checks)
  } catch (error) {
    throw refused('envelope_signature', 'the signature is not that of these bytes', error)
  }
}

function refuseStranger(audience: string, audiences: ReadonlySet<string>): void {
  if (!audiences.has(audience))
    throw refused('envelope_audience', `meant for ${audience}, which this node does not follow`)
}

function refuseStale(claims: { iat: number; exp: number }, now: number): void {
  if (claims.exp * 1_000 <= now)
    throw refused('envelope_expired', 'it was to be accepted only until an earlier time')
  if (claims.iat * 1_000 > now + clockSlackMs)
    throw refused('envelope_expired', "it was signed in the future of the service's clock")
}

/** Before its age: an old repeat is dropped, and nobody has to ask for anything. */
function refuseRepeat(claims: EnvelopeClaims, held: Position | undefined): void {
  if (held && claims.epoch === held.epoch && claims.seq <= held.seq)
    throw refused('envelope_replayed', `sequence is ${claims.seq}, this node has ${held.seq}`)
}

function refuseOutOfOrder(claims: EnvelopeClaims, held: Position | undefined): void {
  if (!held) throw refused('envelope_gap', `nothing of ${claims.aud} is known yet`)
  if (claims.epoch !== held.epoch)
    throw refused('envelope_epoch', `epoch is ${claims.epoch}, this node is in ${held.epoch}`)
  if (claims.seq > held.seq + 1)
    throw refused('envelope_gap', `sequence is ${claims.seq}, expected ${held.seq + 1}`)
  if (claims.prev !== held.hash)
    throw refused('envelope_fork', `envelope ${claims.seq} does not follow the one that is held`)
}

function refuseOlderState(claims: SnapshotClaims, held: Position): void {
  if (claims.epoch > held.epoch) return
  if (claims.epoch < held.epoch)
    throw refused('envelope_epoch', `the state is of epoch ${claims.epoch}, held is ${held.epoch}`)
  if (claims.seq < held.seq)
    throw refused('envelope_replayed', `the state ends at ${claims.seq}, held is ${held.seq}`)
  if (claims.seq === held.seq && claims.head !== held.hash)
    throw refused('envelope_fork', `the state at ${claims.seq} is not the one that is held`)
}

function refuseEpochStep(epoch: number, held: number): void {
  if (epoch - held > widestEpochStep)
    throw new Problem(
      'envelope_malformed',
      `the state is of epoch ${epoch}, held is ${held}: no service begins so many`,
      {
        remedy:
          'somebody may have signed with a stolen key: look at the journal of the service, give it a new key, enrol the node again',
      },
    )
}

/** What was signed can still be too much: each chunk costs a request and the time to read it. */
function refuseShape({ blocks, chunks }: SnapshotClaims, mostBlocks = Infinity): void {
  const most = mostBlocks + slackOf(mostBlocks)
  if (blocks > most)
    throw new Problem(
      'ceiling_reached',
      `the state holds ${blocks} blocks, this node takes at most ${mostBlocks}`,
      { remedy: 'raise CORDON_AGENT_MAX_BLOCKS, or order fewer blocks for this audience' },
    )
  const expected = Math.ceil(blocks / chunkSize)
  if (chunks.length !== expected)
    throw refused(
      'envelope_malformed',
      `the manifest names ${chunks.length} chunks for ${blocks} blocks, expected ${expected}`,
    )
}

/** No later statement could replace one whose version has been counted far ahead. */
function refuseVersionAhead({ version, iat }: { version: number; iat: number }): void {
  if (version > iat * 1_000 + widestVersionMs)
    throw refused('envelope_malformed', `version ${version} is counted ahead of its time`)
}

function refuseFeedShape({ version, iat, feeds }: FeedsClaims): void {
  refuseVersionAhead({ version, iat })
  for (const { feed, entries, chunks } of feeds)
    if (chunks.length !== Math.ceil(entries / feedChunkSize))
      throw refused(
        'envelope_malformed',
        `${feed} has ${chunks.length} chunks for ${entries} entries`,
      )
}

/** A state a little above the ceiling is taken up to it, and the rest is refused block by block, by receipt. */
function slackOf(mostBlocks: number): number {
  return Math.max(chunkSize, mostBlocks / 4)
}

function early(iat: number): Problem {
  const at = new Date(Math.min(iat * 1_000, latestMs)).toISOString()
  return new Problem(
    'envelope_expired',
    `a key announcement is dated ${at}, in the future of the service's clock`,
    {
      remedy:
        'set the clock of the service right; if it never was wrong, look at its journal: somebody may have signed with a stolen key',
    },
  )
}

function refused(code: ProblemCode, message: string, cause?: unknown): Problem {
  return new Problem(code, message, { remedy: remedies[code] ?? untrusted, cause })
}

const again = 'the node asks for the whole state by itself; nothing is to be done'
const untrusted =
  'look at what stands between node and service; if the service was set up anew, enrol the node again'
const remedies: Partial<Record<ProblemCode, string>> = {
  envelope_gap: again,
  envelope_fork: again,
  envelope_epoch: again,
  envelope_expired: again,
  envelope_replayed: 'a repeat is dropped; nothing is to be done',
}
