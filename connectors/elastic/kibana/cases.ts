/** Cases that hold an alert: each result is told in a comment once, also when it is given again. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { readTime } from '#contract/time.ts'
import type { Standing } from './alerts.ts'
import type { Kibana } from './client.ts'

const owner = 'securitySolution'
const right = 'the Kibana feature Cases of Security with all'
const pageSize = 100
/** How far the clocks of Kibana and Cordon may be apart. */
const skewMs = 3_600_000

export type Comment = { marker: string; text: string; at: number }

const Comments = z.object({
  comments: z.array(
    z.looseObject({ comment: z.string().optional(), created_at: z.string().optional() }),
  ),
  total: z.number(),
})

/**
 * Comments that the case does not hold yet, in their order. A case that is gone takes none. Not seen is a comment that a
 * try wrote of which no answer came, when it is looked for within the second that Kibana needs to show it.
 */
export async function commentOnce(
  kibana: Kibana,
  space: string,
  id: string,
  comments: readonly Comment[],
  signal: AbortSignal,
): Promise<void> {
  const since = Math.min(...comments.map(({ at }) => at)) - skewMs
  const there = await unlessGone(commentsSince(kibana, space, id, since, signal))
  if (there === undefined) return
  for (const { marker, text } of comments) {
    if (there.some((one) => one.includes(marker))) continue
    const body = { type: 'user', comment: text, owner }
    await unlessGone(attach(kibana, space, id, body, signal))
  }
}

/** Newest first, as far back as ours can stand. */
async function commentsSince(
  kibana: Kibana,
  space: string,
  id: string,
  since: number,
  signal: AbortSignal,
): Promise<string[]> {
  const texts: string[] = []
  for (let page = 1; ; page++) {
    const path = `${caseAt(id)}/comments/_find?page=${page}&perPage=${pageSize}&sortOrder=desc`
    const answer = await kibana.ask({ space, method: 'GET', path, right }, signal)
    const { comments, total } = readAs(Comments, answer)
    texts.push(...comments.map(({ comment }) => comment ?? ''))
    const oldest = readTime(comments.at(-1)?.created_at ?? '')
    if (comments.length === 0 || page * pageSize >= total) return texts
    if (oldest !== undefined && oldest < since) return texts
  }
}

type NewCase = {
  /** A tag that no other case has: by it the case is found again. */
  tag: string
  title: string
  description: string
  severity: 'low' | 'medium' | 'high' | 'critical'
}

const Case = z.looseObject({ id: z.string() })
const Cases = z.object({ cases: z.array(Case) })

/** The id of the case with this tag, made where there is none. */
export async function openCase(
  kibana: Kibana,
  space: string,
  { tag, title, description, severity }: NewCase,
  signal: AbortSignal,
): Promise<string> {
  const query = new URLSearchParams({ tags: tag, owner, perPage: '1', sortOrder: 'asc' })
  const found = await kibana.ask(
    { space, method: 'GET', path: `/api/cases/_find?${query}`, right },
    signal,
  )
  const [there] = readAs(Cases, found).cases
  if (there) return there.id
  const body = {
    title,
    description,
    severity,
    tags: ['cordon', tag],
    owner,
    connector: { id: 'none', name: 'none', type: '.none', fields: null },
    settings: { syncAlerts: false },
  }
  const made = await kibana.ask({ space, method: 'POST', path: '/api/cases', body, right }, signal)
  return readAs(Case, made).id
}

/** Throws a Problem when the key may not see cases. */
export async function readCases(kibana: Kibana, space: string, signal: AbortSignal): Promise<void> {
  const path = `/api/cases/_find?${new URLSearchParams({ owner, perPage: '1' })}`
  readAs(Cases, await kibana.ask({ space, method: 'GET', path, right }, signal))
}

/** Kibana leaves out an alert that the case holds already. */
export async function attachAlert(
  kibana: Kibana,
  space: string,
  id: string,
  { uuid, index, rule }: Standing,
  signal: AbortSignal,
): Promise<void> {
  const body = { type: 'alert', alertId: uuid, index, rule, owner }
  await unlessGone(attach(kibana, space, id, body, signal))
}

async function attach(
  kibana: Kibana,
  space: string,
  id: string,
  body: object,
  signal: AbortSignal,
): Promise<unknown> {
  const path = `${caseAt(id)}/comments`
  return kibana.ask({ space, method: 'POST', path, body, right }, signal)
}

function caseAt(id: string): string {
  return `/api/cases/${encodeURIComponent(id)}`
}

/** A person may delete a case at any time. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return undefined
    throw error
  }
}

function readAs<T>(shape: z.ZodType<T>, answer: unknown): T {
  const read = shape.safeParse(answer)
  if (read.success) return read.data
  throw new Problem('service_unreachable', 'kibana answered about cases in no known shape', {
    remedy: 'check that kibana is of version 8.8 or later, and what stands between here and it',
    cause: read.error,
  })
}
