/** Results to a data stream, in bulk and in order: each once, by its id. */
import type { Client } from '@elastic/elasticsearch'
import { Problem } from '#contract/problem.ts'
import type { Refusal, Sink } from '#contract/result.ts'
import { isWanted } from '../../wanted-actions.ts'
import { checkCluster, connect } from '../connect.ts'
import type { Settings } from '../settings.ts'
import { type Item, judge, type ReadyDocument, type Stream, sendBulk } from './bulk.ts'
import { documentOf } from './document.ts'
import { install, type Limits, look, resourcesOf } from './install.ts'
import { alreadyThere } from './repeats.ts'
import { dataStreamOf, type Plan } from './resources.ts'

const most = 500
/** Bytes of one request; far below what Elasticsearch takes, and what it likes. */
const fullBytes = 5_000_000

export function planOf(settings: Settings): Plan {
  return {
    dataset: settings.results_dataset,
    namespace: settings.results_namespace,
    rollover: settings.results_rollover,
    keep: settings.results_keep,
  }
}

/** Throws `setting_invalid` without a cluster to write to, or without a key for it. */
export function resultsSink(settings: Settings): Sink {
  if (settings.nodes.length === 0)
    throw new Problem('setting_invalid', 'elastic has no nodes to write results to', {
      remedy: 'set CORDON_ELASTIC_NODES, or CORDON_ELASTIC_RESULTS=false',
    })
  checkCluster(settings)
  const plan = planOf(settings)
  let opened: Promise<Client> | undefined
  let installed = false
  // Whether the last batch is known to have been taken: else this one may have been, in part or as a whole.
  let sure = false
  const ready = async (limits: Limits): Promise<Client> => {
    opened ??= connect(settings)
    const client = await opened.catch((error: unknown) => {
      opened = undefined
      throw error
    })
    if (settings.setup && !installed) await install(client, plan, limits)
    installed = true
    return client
  }
  return {
    key: 'elastic/data-stream',
    wants: (action) => isWanted(action, settings.results_actions),
    most,
    take: async (results, signal) => {
      const mayRepeat = !sure
      sure = false
      const limits = { signal, requestTimeout: settings.timeout }
      const stream = { client: await ready(limits), name: dataStreamOf(plan), limits }
      const known = mayRepeat ? await alreadyThere(stream, results) : new Set<string>()
      const documents = results
        .filter(({ id }) => !known.has(id))
        .map((result) => ({ id: result.id, text: documentOf(result, plan) }))
      const refusals: Refusal[] = []
      for (const piece of pieces(documents)) {
        const items = await sendBulk(stream, piece)
        if (items.some(mayLackPipeline)) {
          installed = false
          await mustHavePipeline(stream, plan)
        }
        refusals.push(...judge(items, stream.name))
      }
      sure = true
      return refusals
    },
    close: async () => {
      const client = await opened?.catch(() => undefined)
      await client?.close()
    },
  }
}

/** In order, each as large as one request may be; one that is larger goes alone. */
function* pieces(documents: readonly ReadyDocument[]): Generator<ReadyDocument[]> {
  let piece: ReadyDocument[] = []
  let bytes = 0
  for (const document of documents) {
    const size = Buffer.byteLength(document.text)
    if (piece.length > 0 && bytes + size > fullBytes) {
      yield piece
      piece = []
      bytes = 0
    }
    piece.push(document)
    bytes += size
  }
  if (piece.length > 0) yield piece
}

function mayLackPipeline({ type }: Item): boolean {
  return type === 'illegal_argument_exception'
}

/** Without it Elasticsearch refuses each document as if that were wrong. */
async function mustHavePipeline({ client, limits }: Stream, plan: Plan): Promise<void> {
  const { pipeline } = resourcesOf(client, plan, limits)
  // Who may not look has to take the word of Elasticsearch on the document.
  const found = await look(pipeline).catch((problem: unknown) => {
    if (problem instanceof Problem && problem.code === 'forbidden') return 'unseen'
    throw problem
  })
  if (found === undefined)
    throw new Problem('not_found', `there is no ${pipeline.what}`, {
      remedy: 'install manifests/elastic/ingest-pipeline.json, or set setup of elastic to true',
    })
}
