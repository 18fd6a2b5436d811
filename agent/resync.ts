/** The whole state of one audience, asked for when the stream cannot go on: all of it, or nothing changes. */
import { z } from 'zod'
import { Problem, toProblem } from '#contract/problem.ts'
import type { ReadRow } from '#contract/row.ts'
import { readChunk, type SnapshotClaims } from '#contract/snapshot.ts'
import { gather, type Judge, type Judging, type Load } from './accept.ts'
import { readAnswer, type Service } from './connect.ts'
import type { Expresses } from './kernel/firewall.ts'
import { verifyOrLearn } from './learn.ts'
import type { Recorder } from './record.ts'
import { isPlain } from './scope.ts'
import type { Trust } from './signature.ts'
import { verifyManifest } from './verify-state.ts'

export type ResyncOn = {
  service: Service
  record: Pick<Recorder, 'standing'>
  judging: Judging
  /** Of the firewall, which may still be proved: waited for where an order is more than a plain block. */
  expresses(): Promise<Expresses>
  trust(): Trust
  learnKeys(): Promise<void>
  /** Fresh for each question, at least 16 characters. */
  nonce(): string
}

const Manifest = z.object({ manifest: z.string() })
/** What needs no proof. */
const plainBlocks: Expresses = { scopes: false, reject: false }

/**
 * Nothing is changed by this: the load is for the enforcer. When the service lost its past (which it says, or its
 * state shows) it is first shown what it signed last, so that it begins a new epoch. Throws `snapshot_incomplete`
 * and what verifyManifest and the connection throw.
 */
export async function wholeState(on: ResyncOn, audience: string, lostPast: boolean): Promise<Load> {
  const disowned = lostPast ? await prove(on, audience) : undefined
  try {
    return await askForState(on, audience)
  } catch (error) {
    if (!showsLostPast(toProblem(error))) throw error
    if (lostPast) throw disowned ?? error
    return wholeState(on, audience, true)
  }
}

function showsLostPast({ code }: Problem): boolean {
  return code === 'envelope_epoch' || code === 'envelope_fork' || code === 'envelope_replayed'
}

/**
 * Returns why the service does not know its own signature: it lost the key as well. A person may have begun a new
 * epoch, so its state is asked for all the same.
 */
async function prove(on: ResyncOn, audience: string): Promise<Problem | undefined> {
  const statement = on.record.standing(audience)?.statement
  if (!statement) return undefined
  try {
    await on.service.ask('POST', '/v1/proof', { body: { statement } })
    return undefined
  } catch (error) {
    const problem = toProblem(error)
    if (problem.code === 'invalid_input') return problem
    throw problem
  }
}

async function askForState(on: ResyncOn, audience: string): Promise<Load> {
  const { manifest, claims } = await askForManifest(on, audience)
  const place = { audience, epoch: claims.epoch, seq: claims.seq }
  const load = { claims: [], answers: [] }
  let judge: Judge = { ...on.judging, expresses: plainBlocks }
  let blocks = 0
  for await (const rows of chunksOf(on.service, claims.chunks)) {
    // Once for the rows of a chunk: to ask for the time takes as long as to look for what is protected.
    const at = on.judging.now()
    judge = { ...judge, now: () => at }
    for (const row of rows) {
      if (++blocks > claims.blocks) throw incomplete(`more than ${claims.blocks} blocks came`)
      if (judge.expresses === plainBlocks && isMore(row))
        judge = { ...judge, expresses: await on.expresses() }
      gather(judge, row, place, load)
    }
  }
  if (blocks !== claims.blocks) throw incomplete(`${blocks} of ${claims.blocks} blocks came`)
  const standing = { epoch: claims.epoch, seq: claims.seq, hash: claims.head, statement: manifest }
  return { audience, standing, ...load }
}

function isMore(row: ReadRow): boolean {
  return 'order' in row && !isPlain(row.order)
}

async function askForManifest(
  on: ResyncOn,
  audience: string,
): Promise<{ manifest: string; claims: SnapshotClaims }> {
  const nonce = on.nonce()
  const path = `/v1/snapshot?${new URLSearchParams({ audience, nonce })}`
  const { manifest } = readAnswer(Manifest, await on.service.ask('GET', path), '/v1/snapshot')
  const verify = () => {
    const held = on.record.standing(audience)
    return verifyManifest(manifest, on.trust(), audience, nonce, held, on.judging.now())
  }
  return { manifest, claims: await verifyOrLearn(verify, on.learnKeys) }
}

/** In order; the next is on its way while one is read. */
async function* chunksOf(
  service: Service,
  digests: readonly string[],
): AsyncGenerator<Iterable<ReadRow>> {
  const ask = (digest: string | undefined) => {
    const answer = digest === undefined ? undefined : askForChunk(service, digest)
    // Whoever waits for it hears of it, if anybody still does.
    answer?.catch(() => {})
    return answer
  }
  let coming = ask(digests[0])
  for (const [index, digest] of digests.entries()) {
    const text = await coming
    coming = ask(digests[index + 1])
    if (text !== undefined) yield readChunk(text, digest)
  }
}

async function askForChunk(service: Service, digest: string): Promise<string> {
  if (!/^[0-9a-f]{64}$/.test(digest)) throw incomplete('the manifest names no digest')
  try {
    return await service.text(`/v1/snapshot/${digest}`)
  } catch (error) {
    const problem = toProblem(error)
    throw problem.code === 'not_found' ? incomplete('a chunk is gone already', problem) : problem
  }
}

function incomplete(message: string, cause?: unknown): Problem {
  return new Problem('snapshot_incomplete', message, {
    remedy: 'the node asks again by itself; what it holds stays in force',
    cause,
  })
}
