/** One bulk request and what came of each of its documents. */
import type { Client } from '@elastic/elasticsearch'
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import type { Refusal } from '#contract/result.ts'
import { type Hints, isUnknown, refused } from '../refused.ts'
import type { Limits } from './install.ts'

export type Stream = { client: Client; name: string; limits: Limits }
export type ReadyDocument = { id: string; text: string }

const Item = z.object({
  id: z.string(),
  status: z.int(),
  type: z.string(),
  reason: z.string(),
  /** It was kept, but aside, since its mapping does not fit. */
  aside: z.boolean(),
})
export type Item = z.infer<typeof Item>

const Answer = z.object({
  items: z.array(
    z.object({
      create: z.object({
        _id: z.string().nullish(),
        status: z.int(),
        failure_store: z.string().optional(),
        error: z
          .looseObject({ type: z.string().default(''), reason: z.string().nullish() })
          .optional(),
      }),
    }),
  ),
})

/** In the order of the documents. Throws a Problem when the request as a whole was not taken. */
export async function sendBulk(
  stream: Stream,
  documents: readonly ReadyDocument[],
): Promise<Item[]> {
  const { client, name, limits } = stream
  const operations = documents.flatMap(({ id, text }) => [
    JSON.stringify({ create: { _id: id } }),
    text,
  ])
  // Not tried again by the client: who gives a batch again has to know that it may have been taken.
  const once = { ...limits, maxRetries: 0 }
  const request = { index: name, operations }
  try {
    const answer: unknown = await client
      .bulk({ ...request, require_data_stream: true }, once)
      .catch((error: unknown) => {
        // Before 8.13: there the template alone makes it a data stream.
        if (isUnknown('require_data_stream', error)) return client.bulk(request, once)
        throw error
      })
    return readItems(answer, documents)
  } catch (error) {
    const problem = error instanceof Problem ? error : refused(name, error, hintsOf(name))
    if (problem.code !== 'too_large') throw problem
    return inHalves(stream, documents, problem)
  }
}

/** A proxy may allow less than Elasticsearch does: what is too large goes in halves, still in order. */
async function inHalves(
  stream: Stream,
  documents: readonly ReadyDocument[],
  problem: Problem,
): Promise<Item[]> {
  const [only] = documents
  if (only === undefined || documents.length === 1)
    return only === undefined
      ? []
      : [{ id: only.id, status: 413, type: '', reason: problem.message, aside: false }]
  const half = Math.ceil(documents.length / 2)
  const first = await sendBulk(stream, documents.slice(0, half))
  return [...first, ...(await sendBulk(stream, documents.slice(half)))]
}

function readItems(answer: unknown, documents: readonly ReadyDocument[]): Item[] {
  const read = Answer.safeParse(answer)
  if (!read.success || read.data.items.length !== documents.length)
    throw new Problem(
      'service_unreachable',
      'elasticsearch answered a bulk request in no known shape',
      {
        remedy: 'check nodes of elastic, and what stands between here and the cluster',
        cause: read.error,
      },
    )
  return documents.map(({ id }, index) => {
    const item = read.data.items[index]?.create
    return {
      id,
      status: item?.status ?? 0,
      type: item?.error?.type ?? '',
      reason: item?.error?.reason ?? '',
      aside: item?.failure_store === 'used',
    }
  })
}

/** What can never be taken. Throws a Problem when one of them has to be tried again: with it the whole batch is. */
export function judge(items: readonly Item[], name: string): Refusal[] {
  const later = items.find((item) => outcomeOf(item) === 'later')
  if (later) throw again(later, name)
  return items
    .filter((item) => outcomeOf(item) === 'never')
    .map((item) => ({ id: item.id, problem: never(item, name) }))
}

/** 409 to a `create`: it is there already. Only what is about the document itself is never tried again. */
function outcomeOf({ status, aside }: Item): 'taken' | 'later' | 'never' {
  if (aside) return 'never'
  if (status === 200 || status === 201 || status === 409) return 'taken'
  return status === 400 || status === 413 ? 'never' : 'later'
}

function again({ status, type, reason }: Item, name: string): Problem {
  const said = told(type, reason)
  const why = said === '' ? '' : ` (${said})`
  // A full disk, or somebody's setting: no right of ours, though the status may be that of one.
  if (type === 'cluster_block_exception')
    return new Problem('service_unreachable', `elasticsearch takes no writes to ${name}${why}`, {
      remedy:
        'free disk space of the cluster, or remove the write block of the index; it is tried again by itself',
    })
  if (status === 429)
    return new Problem(
      'rate_limited',
      `elasticsearch has too much to do to write to ${name}${why}`,
      { remedy: 'it is tried again by itself; when it lasts see the load of the cluster' },
    )
  if (status === 401 || status === 403)
    return new Problem('forbidden', `elasticsearch does not allow to write to ${name}${why}`, {
      remedy: hintsOf(name).forbidden,
    })
  if (status === 404)
    return new Problem('not_found', `there is no data stream ${name}, and none is made`, {
      remedy: hintsOf(name).unknown,
    })
  return new Problem(
    'service_unreachable',
    `elasticsearch did not write a result: ${status} ${said}`,
    { remedy: 'see the health of the cluster; it is tried again by itself' },
  )
}

function never({ status, type, reason, aside }: Item, name: string): Problem {
  if (aside)
    return new Problem('invalid_input', `a field of it has another type in ${name}`, {
      remedy: `see it with GET ${name}::failures/_search; mend the mapping, then POST ${name}/_rollover`,
    })
  if (status === 413)
    return new Problem('too_large', 'elasticsearch takes no document of this size', {
      remedy: 'raise http.max_content_length, or the limit of the proxy in front of it',
    })
  return new Problem('invalid_input', `elasticsearch refuses it: ${told(type, reason)}`, {
    remedy: `compare the mapping of ${name} with manifests/elastic/index-template.json; after a change POST ${name}/_rollover`,
  })
}

function told(type: string, reason: string): string {
  return printable([type, reason].filter((part) => part !== '').join(': '), 300)
}

function hintsOf(name: string): Hints {
  return {
    verb: 'write to',
    forbidden: `give the key auto_configure, create_doc and read on ${name}`,
    unknown:
      'install manifests/elastic/index-template.json, or set setup of elastic to true, and give the key auto_configure',
  }
}
