/** Whether a manifest answers for the whole state of an audience that this node asked for. Pure, given the keys. */
import type { Position } from '#contract/audience.ts'
import { tokenType } from '#contract/envelope.ts'
import { Problem } from '#contract/problem.ts'
import { chunkSize, SnapshotClaims } from '#contract/snapshot.ts'
import { readStatement, type Trust } from './signature.ts'
import { refused, refuseStale, refuseStranger } from './unfit.ts'

/**
 * A new epoch begins when the service lost its past or a person says so, which is rare. A step as wide as this
 * is no restored backup: it would use up the numbers, and no honest service could ever follow it.
 */
const widestEpochStep = 1_000
/** The epoch before the first one that a service has. */
const noEpoch = 0

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

/** A state a little above the ceiling is taken up to it, and the rest is refused block by block, by receipt. */
function slackOf(mostBlocks: number): number {
  return Math.max(chunkSize, mostBlocks / 4)
}
