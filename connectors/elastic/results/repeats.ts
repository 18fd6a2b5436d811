/**
 * Which results a data stream holds already. Within one backing index `create` refuses what is there; but after a rollover
 * the same id would be written once more. So a batch that may have been taken before is looked for in all of them.
 */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import type { Result } from '#contract/result.ts'
import { refused } from '../refused.ts'
import type { Stream } from './bulk.ts'

const Answer = z.object({
  timed_out: z.boolean(),
  _shards: z.object({ failed: z.number() }),
  hits: z.object({ hits: z.array(z.object({ _id: z.string() })) }),
})

/** Ids. A data stream that is not there yet holds none. Throws a Problem. */
export async function alreadyThere(
  { client, name, limits }: Stream,
  results: readonly Result[],
): Promise<Set<string>> {
  const request = {
    index: name,
    query: { ids: { values: results.map(({ id }) => id) } },
    size: results.length,
    _source: false,
    track_total_hits: false,
    ignore_unavailable: true,
    allow_partial_search_results: false,
  }
  const answer: unknown = await client.search(request, limits).catch((error: unknown) => {
    throw refused(name, error, {
      verb: 'read',
      forbidden: `give the key read on ${name}: what may have been written is looked for`,
      unknown: 'check results_dataset and results_namespace of elastic',
    })
  })
  const read = Answer.safeParse(answer)
  if (!read.success || read.data.timed_out || read.data._shards.failed > 0)
    throw new Problem('service_unreachable', `elasticsearch did not say what ${name} holds`, {
      remedy: 'see the health of the cluster; it is tried again by itself',
      cause: read.error,
    })
  return new Set(read.data.hits.hits.map(({ _id }) => _id))
}
