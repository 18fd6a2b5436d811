/** Tries what Elasticsearch has to allow, without changing anything there: one finding for each. */
import type { Client } from '@elastic/elasticsearch'
import { z } from 'zod'
import type { Finding } from '#contract/connector.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { connect } from './connect.ts'
import { aliasOf } from './query.ts'
import { refused } from './refused.ts'
import {
  isOurs,
  isOutdated,
  type Limits,
  look,
  type Resource,
  resourcesOf,
} from './results/install.ts'
import { dataStreamOf } from './results/resources.ts'
import { planOf } from './results/sink.ts'
import type { Settings } from './settings.ts'

/** Never throws. What cannot work before something else does is left out until that does. */
export async function tryCluster(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = []
  const limits = { signal, requestTimeout: settings.timeout }
  let client: Client | undefined
  try {
    client = await connect(settings)
    findings.push({ what: 'cluster', found: await versionOf(client, limits) })
  } catch (error) {
    findings.push({ what: 'cluster', problem: toProblem(error) })
    await client?.close()
    return findings
  }
  for (const space of settings.spaces)
    findings.push(await found(`alerts of space ${space}`, readable(client, space, limits)))
  if (settings.results) findings.push(...(await tryResults(client, settings, limits)))
  await client.close()
  return findings
}

export async function found(what: string, trying: Promise<string>): Promise<Finding> {
  try {
    return { what, found: await trying }
  } catch (error) {
    return { what, problem: toProblem(error) }
  }
}

export function readAs<T>(shape: z.ZodType<T>, answer: unknown): T {
  const read = shape.safeParse(answer)
  if (read.success) return read.data
  throw new Problem('invalid_input', 'the answer is in no known shape', {
    remedy: 'check the address, and what stands between here and there',
    cause: read.error,
  })
}

const Info = z.object({ cluster_name: z.string(), version: z.object({ number: z.string() }) })

/** A key that is refused shows here too: nothing is told to strangers. */
async function versionOf(client: Client, limits: Limits): Promise<string> {
  const answer: unknown = await client.info({}, limits).catch((error: unknown) => {
    throw refused('the version of the cluster', error, {
      verb: 'see',
      forbidden:
        'give the key the cluster privilege monitor; connectors/elastic/README.md has the whole role',
      unknown: 'check nodes of elastic: the address alone, without a path',
    })
  })
  const { cluster_name, version } = readAs(Info, answer)
  return `${cluster_name}, Elasticsearch ${version.number}; the key is accepted`
}

async function readable(client: Client, space: string, limits: Limits): Promise<string> {
  const index = aliasOf(space)
  const { count } = await heard(index, client.count({ index }, limits))
  // Elasticsearch does not say what a key may do in a remote cluster.
  if (!space.includes(':')) await mustAllow(client, index, ['read', 'view_index_metadata'], limits)
  return `${count} alerts can be read`
}

async function tryResults(client: Client, settings: Settings, limits: Limits): Promise<Finding[]> {
  const plan = planOf(settings)
  const name = dataStreamOf(plan)
  const findings: Finding[] = []
  for (const resource of Object.values(resourcesOf(client, plan, limits)))
    findings.push(await found(resource.what, stateOf(resource, settings.setup)))
  const rights = ['auto_configure', 'create_doc', 'read']
  const writable = mustAllow(client, name, rights, limits).then(() => 'can be written')
  return [...findings, await found(`data stream ${name}`, writable)]
}

async function stateOf(resource: Resource, setup: boolean): Promise<string> {
  const there = await look(resource)
  if (there === undefined && setup) return 'is put before the first result'
  if (there === undefined)
    throw new Problem('not_found', `there is no ${resource.what}, and setup is false`, {
      remedy: 'install it from manifests/elastic, or set setup of elastic to true',
    })
  if (!isOurs(there.meta)) return 'is there, not made by Cordon, and stays as it is'
  if (!isOutdated(there.meta, resource.wanted)) return 'is there'
  return setup
    ? 'is there, of older settings or an older version, and is put anew'
    : 'is there, but older'
}

const Allowed = z.object({
  has_all_requested: z.boolean(),
  index: z.record(z.string(), z.record(z.string(), z.boolean())),
})

/** Throws `forbidden` with the rights that are missing. */
async function mustAllow(
  client: Client,
  name: string,
  privileges: string[],
  limits: Limits,
): Promise<void> {
  const request = { index: [{ names: [name], privileges }] }
  const answer: unknown = await heard('rights', client.security.hasPrivileges(request, limits))
  const { has_all_requested, index } = readAs(Allowed, answer)
  if (has_all_requested) return
  const missing = privileges.filter((one) => index[name]?.[one] !== true).join(', ')
  throw new Problem('forbidden', `the key lacks ${missing} on ${name}`, {
    remedy: `give the key ${missing} on ${name}; connectors/elastic/README.md has the whole role`,
  })
}

async function heard<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw refused(what, error)
  }
}
