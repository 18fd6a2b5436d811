/**
 * The postures of this node on its disk: those that proved themselves, and the one that is on trial, so that a start after
 * whatever happened knows which to enforce.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { Posture, PostureReceipt } from '#contract/posture.ts'
import { ChunkFolder } from './chunk-folder.ts'

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
  readonly chunks: ChunkFolder
  readonly versions: Map<string, number>
  /** By audience. */
  readonly confirmed: Map<string, HeldPosture>
  readonly answers: Map<string, Answer>
  trial: HeldPosture | undefined

  /** What cannot be read is told anew: the service says at each connection which postures there are. */
  constructor(folder: string) {
    this.chunks = new ChunkFolder(join(folder, 'posture'))
    const index = this.chunks.readIndex(Index)
    this.versions = new Map(index?.versions)
    this.confirmed = new Map(index?.confirmed.map((one) => [one.audience, one]))
    this.answers = new Map(index?.answers.map((one) => [one.audience, one]))
    this.trial = index?.trial ?? undefined
  }

  /** What is to be enforced now: the one on trial in place of what its audience had. In order of audiences. */
  get standing(): HeldPosture[] {
    const { confirmed, trial } = this
    return inOrder(trial ? new Map([...confirmed, [trial.audience, trial]]) : confirmed)
  }

  /** What is to be enforced when the one on trial is not. */
  get proven(): HeldPosture[] {
    return inOrder(this.confirmed)
  }

  /** Throws what the file system says. */
  keep(): void {
    const { versions, confirmed, trial = null, answers } = this
    this.chunks.writeIndex({
      versions: [...versions],
      confirmed: [...confirmed.values()],
      trial,
      answers: [...answers.values()],
    })
  }

  /** Chunks that nothing of what is held names. */
  prune(): void {
    const held = this.standing.concat([...this.confirmed.values()])
    const needed = held.flatMap(({ posture }) => posture.countries.flatMap(({ chunks }) => chunks))
    this.chunks.prune(new Set(needed))
  }
}

function inOrder(held: ReadonlyMap<string, HeldPosture>): HeldPosture[] {
  return [...held.values()].sort((a, b) => (a.audience < b.audience ? -1 : 1))
}
