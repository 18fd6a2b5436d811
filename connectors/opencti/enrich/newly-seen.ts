/** What was seen of an address since it was last told: the platform adds counts up, so that each event is told once. */
import { z } from 'zod'
import type { Cordon } from '#contract/connector.ts'
import type { Knowledge } from '#contract/knowledge.ts'
import type { Seen } from '../stix/tell.ts'

const Kept = z.object({ first: z.int(), last: z.int(), count: z.int().min(1) })

/** An indicator of the platform is no event that anybody saw. */
const fromPlatform = 'opencti-stream'

/**
 * The last telling, in case that it did not arrive, and what is new. The platform adds a count only when a date widens,
 * so that the same once more adds nothing. `keep` remembers it before it is sent.
 */
export async function newlySeen(
  cordon: Cordon,
  { alerts }: Pick<Knowledge, 'alerts'>,
  id: string,
  keep: boolean,
): Promise<Seen[]> {
  const name = `sighting:${id}`
  const told = readKept(await cordon.recall(name))
  const since = told?.last ?? Number.NEGATIVE_INFINITY
  const news = alerts.filter(
    ({ at, source }) => at > since && at <= cordon.now() && source !== fromPlatform,
  )
  if (news.length === 0) return told ? [told] : []
  const times = news.map(({ at }) => at)
  const seen = {
    first: Math.min(...times),
    last: Math.max(...times),
    count: news.reduce((sum, { count }) => sum + count, 0),
  }
  if (keep) await cordon.remember(name, JSON.stringify(seen))
  return told ? [told, seen] : [seen]
}

function readKept(text: string | undefined): Seen | undefined {
  if (text === undefined) return undefined
  try {
    return Kept.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
