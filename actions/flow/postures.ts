/**
 * The standing rules of each audience: proposed from a file, signed when a person applies them, told to the nodes over
 * their streams. Nodes fetch the networks that they name by digest. See agent/posture.ts for how a node takes them.
 */
import { readFile } from 'node:fs/promises'
import type { Address } from '#contract/address.ts'
import { tokenType } from '#contract/envelope.ts'
import {
  confirmSeconds,
  type Posture,
  type PostureClaims,
  type PostureReceipt,
} from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import type { Countries } from '../posture/country-networks.ts'
import { type Proposal, type Proposed, proposePostures } from '../posture/propose.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import { listNodes, type Node } from '../store/nodes.ts'
import {
  prunePostureChunks,
  putPosture,
  putPostureChunk,
  readPostureChunk,
  readPostures,
  type StoredPosture,
} from '../store/postures.ts'
import type { Store } from '../store/store.ts'
import { audienceNodes } from './audience-nodes.ts'
import { eventFrame, type Hub } from './hub.ts'
import { openTurns } from './in-turn.ts'
import type { SigningKeys } from './keys.ts'
import { heardKey, isNews, type PostureStanding, standingOf } from './posture-standing.ts'
import { openSigner } from './statement.ts'

export type Postures = {
  /** Throws `posture_invalid`, `setting_invalid`. Without a text that of the file which the settings name. */
  propose(text: string | undefined, admins: readonly Address[]): Promise<Proposed>
  /** Signs what is new, and what a node went back from: that is tried again. Throws as `propose` does. */
  apply(text: string | undefined, by: AppliedBy): Promise<Applied[]>
  /** Throws `not_found` for an audience that has none. */
  remove(audience: string, by: By): Promise<number>
  /** Signed statements of those audiences that have or had rules, for a stream that begins. */
  statements(audiences: readonly string[]): Promise<string[]>
  /** Throws `not_found` when none of the audiences has rules that name it. */
  chunk(audiences: readonly string[], digest: string): Promise<string>
  inForce(): Promise<readonly StoredPosture[]>
  /** What a node says between its heartbeats. */
  hear(node: string, receipt: PostureReceipt): void
  standings(): Promise<PostureStanding[]>
}
/** `reason`: why, for the journal. */
export type By = { actor: string; reason?: string | undefined }
export type AppliedBy = By & { confirm?: number | undefined; admins: readonly Address[] }
export type Applied = Pick<Proposal, 'audience' | 'warnings' | 'diff'> & {
  version: number
  confirm: number
  /** False: it was in force as it is, on every node that said so. */
  signed: boolean
}
export type PosturesParts = {
  store: Store
  keys: SigningKeys
  hub: Hub
  now(): number
  countries: Countries
  /** The file that the settings name. */
  file: string | undefined
}

export function openPostures(parts: PosturesParts): Postures {
  const { store, hub, now } = parts
  const signer = openSigner<PostureClaims, StoredPosture>(
    parts.keys,
    tokenType.posture,
    ({ confirm, posture }) => ({ confirm, posture }),
  )
  const heard = new Map<string, PostureReceipt>()
  const stored = () => readPostures(store.read)
  // A version is worked out from the one before it.
  const inTurn = openTurns()

  const propose = async (text: string | undefined, admins: readonly Address[]) => {
    const known = new Map<string, Posture>()
    for (const { audience, posture } of await stored()) if (posture) known.set(audience, posture)
    const file = text ?? (await readOwnFile(parts.file))
    const proposed = await proposePostures(file, parts.countries, known, admins)
    return { ...proposed, proposals: warnOfNobody(proposed.proposals, await listNodes(store.read)) }
  }
  const standings = async () => {
    const nodes = await listNodes(store.read)
    return (await stored()).map((one) => standingOf(one, nodes, heard))
  }
  const publish = async (
    changes: readonly StoredPosture[],
    chunks: ReadonlyMap<string, string>,
    lines: readonly JournalEntry[],
  ) => {
    await store.write(async (tx) => {
      for (const change of changes) await putPosture(tx, change)
      for (const digest of digestsOf(changes)) {
        const text = chunks.get(digest)
        if (text !== undefined) await putPostureChunk(tx, digest, text)
      }
      await prunePostureChunks(tx, digestsOf(await readPostures(tx)))
      await appendJournal(tx, lines)
    })
    for (const change of changes)
      hub.broadcast(change.audience, eventFrame('posture', signer(change, now())))
  }

  return {
    propose,
    apply: (text, { actor, reason, confirm, admins }) =>
      inTurn(async () => {
        const { proposals, chunks } = await propose(text, admins)
        const before = new Map((await standings()).map((one) => [one.audience, one]))
        const applied = proposals.map((proposal) => {
          const was = before.get(proposal.audience)
          const signed = !was || isNews(was, proposal)
          const version = signed ? Math.max((was?.version ?? 0) + 1, now()) : was.version
          const seconds = confirm ?? proposal.confirm
          return { proposal, was, signed, version, seconds }
        })
        const news = applied.filter(({ signed }) => signed)
        const changes = news.map(({ proposal, version, seconds }) => ({
          audience: proposal.audience,
          version,
          confirm: seconds,
          posture: proposal.posture,
          applied: now(),
          actor,
        }))
        const lines = news.map(({ proposal, was, version }) => ({
          at: now(),
          actor,
          action: 'posture.apply',
          subject: proposal.audience,
          before: was?.posture ? { version: was.version } : undefined,
          after: { version, reason, changes: proposal.diff.lines, rules: proposal.sentences },
        }))
        if (changes.length > 0) await publish(changes, chunks, lines)
        return applied.map(({ proposal, signed, version, seconds }) => ({
          audience: proposal.audience,
          warnings: proposal.warnings,
          diff: proposal.diff,
          version,
          confirm: seconds,
          signed,
        }))
      }),
    remove: (audience, { actor, reason }) =>
      inTurn(async () => {
        const was = (await stored()).find((one) => one.audience === audience)
        if (!was?.posture)
          throw new Problem('not_found', `${audience} has no standing rules`, {
            remedy: '"cordon posture list" shows who has',
          })
        const version = Math.max(was.version + 1, now())
        const confirm = confirmSeconds.usual
        const next = { audience, version, confirm, posture: null, applied: now(), actor }
        const line = {
          at: now(),
          actor,
          action: 'posture.remove',
          subject: audience,
          before: { version: was.version },
          after: { version, reason },
        }
        await publish([next], new Map(), [line])
        return version
      }),
    statements: async (audiences) =>
      (await stored())
        .filter(({ audience }) => audiences.includes(audience))
        .map((one) => signer(one, now())),
    chunk: async (audiences, digest) => {
      const own = (await stored()).filter(({ audience }) => audiences.includes(audience))
      const text = digestsOf(own).has(digest)
        ? await readPostureChunk(store.read, digest)
        : undefined
      if (text !== undefined) return text
      throw new Problem('not_found', 'there is no such chunk for this node now', {
        remedy: 'the stream tells of the newest version',
      })
    },
    inForce: async () => (await stored()).filter(({ posture }) => posture !== null),
    hear: (node, receipt) => void heard.set(heardKey(node, receipt.audience), receipt),
    standings,
  }
}

/** A name that no node has may be a typing error, or the group of nodes to come. */
function warnOfNobody(proposals: readonly Proposal[], nodes: readonly Node[]): Proposal[] {
  return proposals.map((one) =>
    audienceNodes([one.audience], nodes).length > 0
      ? one
      : { ...one, warnings: [...one.warnings, `no node is in ${one.audience} now`] },
  )
}

function digestsOf(all: readonly StoredPosture[]): Set<string> {
  return new Set(
    all.flatMap(({ posture }) => posture?.countries.flatMap(({ chunks }) => chunks) ?? []),
  )
}

async function readOwnFile(file: string | undefined): Promise<string> {
  if (file === undefined)
    throw new Problem('invalid_input', 'no file of standing rules was given', {
      remedy: 'name one, or set CORDON_POSTURE for the service',
    })
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Problem('setting_invalid', `the posture file ${file} cannot be read`, {
      remedy: 'check CORDON_POSTURE and that this user may read the file',
      cause: error,
    })
  }
}
