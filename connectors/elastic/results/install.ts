/** Puts ILM policy, ingest pipeline and index template, where they are absent, or ours and older. */
import type { Client } from '@elastic/elasticsearch'
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { refused } from '../refused.ts'
import {
  ilmPolicy,
  indexTemplate,
  ingestPipeline,
  type Mark,
  type Plan,
  resourceName,
} from './resources.ts'

export type Limits = { signal: AbortSignal; requestTimeout: number }

/** One of the three: how it is found and put, and what may be missing. */
export type Resource = {
  what: string
  right: string
  /** Its `_meta`, or undefined when it is not there. Throws what the client throws. */
  find(): Promise<{ meta: unknown } | undefined>
  put(): Promise<unknown>
  wanted: Mark
}

/** Throws a Problem; `forbidden` names the right that is missing. */
export async function install(client: Client, plan: Plan, limits: Limits): Promise<void> {
  for (const resource of Object.values(resourcesOf(client, plan, limits))) {
    const { what, wanted, put } = resource
    const found = await look(resource)
    if (found === undefined || isOutdated(found.meta, wanted))
      await heard(`put the ${what}`, resource, put())
  }
}

export function look(resource: Resource): Promise<{ meta: unknown } | undefined> {
  return heard(`see the ${resource.what}`, resource, resource.find())
}

/** In the order in which they name one another: the template names the other two. */
export function resourcesOf(client: Client, plan: Plan, limits: Limits): Resources {
  const name = resourceName(plan)
  const [policy, pipeline, template] = [ilmPolicy(plan), ingestPipeline(), indexTemplate(plan)]
  return {
    policy: {
      what: `ILM policy ${name}`,
      right: 'manage_ilm',
      wanted: policy._meta,
      find: unlessAbsent(async () => {
        const found = (await client.ilm.getLifecycle({ name }, limits))[name]
        return found && { meta: found.policy._meta }
      }),
      put: () => client.ilm.putLifecycle({ name, policy }, limits),
    },
    pipeline: {
      what: `ingest pipeline ${name}`,
      right: 'manage_ingest_pipelines',
      wanted: pipeline._meta,
      find: unlessAbsent(async () => {
        const found = (await client.ingest.getPipeline({ id: name }, limits))[name]
        return found && { meta: found._meta }
      }),
      put: () => client.ingest.putPipeline({ id: name, ...pipeline }, limits),
    },
    template: {
      what: `index template ${name}`,
      right: 'manage_index_templates',
      wanted: template._meta,
      find: unlessAbsent(async () => {
        const found = await client.indices.getIndexTemplate({ name }, limits)
        const template = found.index_templates[0]?.index_template
        return template && { meta: template._meta }
      }),
      put: () => client.indices.putIndexTemplate({ name, ...template }, limits),
    },
  }
}
type Resources = Readonly<Record<'policy' | 'pipeline' | 'template', Resource>>

const Ours = z.looseObject({
  managed_by: z.literal('cordon'),
  version: z.number(),
  settings: z.string().default(''),
})

/** What is of nobody, or of our own version and edited by a person, stays as it is; so does what is newer. */
export function isOutdated(meta: unknown, wanted: Mark): boolean {
  const found = Ours.safeParse(meta).data
  if (found === undefined || found.version > wanted.version) return false
  return found.version < wanted.version || found.settings !== wanted.settings
}

export function isOurs(meta: unknown): boolean {
  return Ours.safeParse(meta).success
}

function unlessAbsent<Found>(find: () => Promise<Found | undefined>) {
  return async (): Promise<Found | undefined> => {
    try {
      return await find()
    } catch (error) {
      const problem = refused('it', error)
      if (problem.code === 'not_found') return undefined
      throw error
    }
  }
}

async function heard<T>(what: string, { right }: Resource, answer: Promise<T>): Promise<T> {
  const [verb = '', ...rest] = what.split(' ')
  try {
    return await answer
  } catch (error) {
    if (error instanceof Problem) throw error
    throw refused(rest.join(' '), error, {
      verb,
      forbidden: `give the key the cluster privilege ${right}, or install manifests/elastic by hand and set setup of elastic to false`,
      unknown: 'check nodes of elastic, and that the cluster is of version 8 or 9',
    })
  }
}
