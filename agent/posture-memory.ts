/**
 * The postures of this node on its disk: those that proved themselves, and the one that is on trial, so that a start after
 * whatever happened knows which to enforce.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { ChunkDigest } from '#contract/feed.ts'
import { Posture, PostureReceipt } from '#contract/posture.ts'
import { chunkDigest } from '#contract/snapshot.ts'
import { makeFolder, readState, writeState } from './state.ts'

export const HeldPosture = z.strictObject({
  audience: Audience,
  version: z.int(),
  confirm: z.int(),
  posture: Posture,
})
export type HeldPosture = z.infer<typeof HeldPosture>

/** What was said of the newest version of an audience; the rest of a receipt is of the moment. */
export const Answer = PostureReceipt.omit({ in_force: true, next_change: true })
export type Answer = z.infer<typeof Answer>

const Index = z.strictObject({
  /** The newest version that was accepted, by audience: also of one that this node follows no longer. */
  versions: z.array(z.tuple([Audience, z.int()])),
  confirmed: z.array(HeldPosture),
  trial: HeldPosture.nullable(),
  answers: z.array(Answer),
})

export class PostureMemory {
  readonly #folder: string
  readonly versions: Map<string, number>
  /** By audience. */
  readonly confirmed: Map<string, HeldPosture>
  readonly answers: Map<string, Answer>
  trial: HeldPosture | undefined

  /** What cannot be read is told anew: the service says at each connection which postures there are. */
  constructor(folder: string) {
    this.#folder = join(folder, 'posture')
    makeFolder(this.#folder)
    const { versions, confirmed, trial, answers } = readIndex(join(this.#folder, 'index.json'))
    this.versions = new Map(versions)
    this.confirmed = new Map(confirmed.map((one) => [one.audience, one]))
    this.answers = new Map(answers.map((one) => [one.audience, one]))
    this.trial = trial ?? undefined
  }

  /** What is to be enforced now: the one on trial in place of what its audience had. In order of audiences. */
  get standing(): HeldPosture[] {
    const { confirmed, trial } = this
    const all = new Map(trial ? [...confirmed, [trial.audience, trial] as const] : confirmed)
    return [...all.values()].sort((a, b) => (a.audience < b.audience ? -1 : 1))
  }

  /** Throws what the file system says. */
  keep(): void {
    const { versions, confirmed, trial = null, answers } = this
    const index = {
      versions: [...versions],
      confirmed: [...confirmed.values()],
      trial,
      answers: [...answers.values()],
    }
    writeState(join(this.#folder, 'index.json'), [JSON.stringify(index)])
  }

  /** Undefined when it is not there, or not what it was. */
  chunk(digest: string): string | undefined {
    const text = readState(join(this.#folder, digest))
    return text !== undefined && chunkDigest(text) === digest ? text : undefined
  }

  /** Not synced: one that a crash tore is not what its digest says. Throws what the file system says. */
  keepChunk(digest: string, text: string): void {
    writeFileSync(join(this.#folder, digest), text, { mode: 0o600 })
  }

  /** Chunks that nothing of what is held names. */
  prune(): void {
    const held = this.standing.concat([...this.confirmed.values()])
    const needed = new Set(
      held.flatMap(({ posture }) => posture.countries.flatMap(({ chunks }) => chunks)),
    )
    for (const name of readdirSync(this.#folder))
      if (ChunkDigest.safeParse(name).success && !needed.has(name))
        rmSync(join(this.#folder, name), { force: true })
  }
}

function readIndex(path: string): z.infer<typeof Index> {
  const nothing = { versions: [], confirmed: [], trial: null, answers: [] }
  const text = readState(path)
  if (text === undefined) return nothing
  try {
    return Index.parse(JSON.parse(text))
  } catch {
    return nothing
  }
}
