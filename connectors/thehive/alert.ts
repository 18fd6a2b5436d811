/** An alert of TheHive as far as it is read here, and the names by which our own are known. */
import { z } from 'zod'

/** Of alerts that ask; `sourceRef` is the decision. */
export const reviewType = 'cordon-review'
/** Of alerts that only tell; `sourceRef` is the notice. */
export const noticeType = 'cordon-notice'

/** `settled`: nobody is asked any more, whatever else stands there. */
export const tags = {
  approve: 'cordon:approve',
  decline: 'cordon:decline',
  settled: 'cordon:settled',
} as const

export const HiveAlert = z.object({
  _id: z.string().regex(/^~?[\w-]{1,100}$/),
  type: z.string(),
  source: z.string(),
  sourceRef: z.string(),
  status: z.string(),
  /** New, InProgress, Closed or Imported, whatever statuses are called. */
  stage: z.string(),
  tags: z.array(z.string()).default([]),
  /** Login of whoever changed it last. */
  _updatedBy: z.string().nullish(),
})
export type HiveAlert = z.output<typeof HiveAlert>

export type NewAlert = {
  type: string
  sourceRef: string
  title: string
  description: string
  severity: 1 | 2 | 3 | 4
  /** Epoch milliseconds. */
  date: number
  tags: string[]
  observables: { dataType: string; data: string; message: string; tags: string[] }[]
}

export type Change = { addTags?: string[]; removeTags?: string[]; status?: string }

/** Tags are written by hand. */
export function hasTag({ tags }: HiveAlert, wanted: string): boolean {
  return tags.some((tag) => tag.trim().toLowerCase() === wanted)
}

/** As they are spelled there, which is how they are taken off. */
export function tagsLike({ tags }: HiveAlert, wanted: readonly string[]): string[] {
  return tags.filter((tag) => wanted.includes(tag.trim().toLowerCase()))
}
