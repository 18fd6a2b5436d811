/** Detection alerts through Kibana: how they stand, and what is changed of them. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { isObject } from '../../read-path.ts'
import { fieldText, fieldTexts } from '../field.ts'
import type { Kibana } from './client.ts'

/** As it stands in Elastic now. */
export type Standing = {
  uuid: string
  index: string
  status: string
  tags: readonly string[]
  /** Cases that hold it. */
  cases: readonly string[]
  rule: { id: string; name: string }
}

const readRight = 'the Kibana feature Security, and read on .alerts-security.alerts-*'
const changeRight =
  'the Kibana feature Security with all, and read, write and maintenance on .alerts-security.alerts-*,'

const Found = z.object({
  timed_out: z.boolean(),
  _shards: z.object({ failed: z.number() }),
  hits: z.object({
    hits: z.array(
      z.object({ _id: z.string(), _index: z.string(), _source: z.custom<object>(isObject) }),
    ),
  }),
})

const fields = {
  status: 'kibana.alert.workflow_status',
  tags: 'kibana.alert.workflow_tags',
  cases: 'kibana.alert.case_ids',
  ruleId: 'kibana.alert.rule.uuid',
  ruleName: 'kibana.alert.rule.name',
} as const

/** By id; what is not there any more is left out. */
export async function findAlerts(
  kibana: Kibana,
  space: string,
  uuids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Standing>> {
  const body = {
    query: { ids: { values: uuids } },
    size: uuids.length,
    _source: Object.values(fields),
    track_total_hits: false,
  }
  const path = '/api/detection_engine/signals/search'
  const answer = await kibana.ask({ space, method: 'POST', path, body, right: readRight }, signal)
  const read = Found.safeParse(answer)
  if (!read.success || read.data.timed_out || read.data._shards.failed > 0)
    throw new Problem('service_unreachable', 'kibana did not find all of the alerts', {
      remedy: 'see the health of the cluster; it is tried again by itself',
      cause: read.error,
    })
  return new Map(
    read.data.hits.hits.map(({ _id, _index, _source }) => [
      _id,
      standing(_id, _index, { ..._source }),
    ]),
  )
}

function standing(uuid: string, index: string, source: Record<string, unknown>): Standing {
  return {
    uuid,
    index,
    status: fieldText(source, fields.status) ?? 'open',
    tags: fieldTexts(source, fields.tags),
    cases: fieldTexts(source, fields.cases),
    rule: {
      id: fieldText(source, fields.ruleId) ?? '',
      name: fieldText(source, fields.ruleName) ?? '',
    },
  }
}

export type StatusChange = { status: 'acknowledged' | 'closed'; reason?: string | undefined }

export async function setStatus(
  kibana: Kibana,
  space: string,
  uuids: readonly string[],
  { status, reason }: StatusChange,
  signal: AbortSignal,
): Promise<void> {
  const body = { signal_ids: uuids, status, ...(reason !== undefined && { reason }) }
  const path = '/api/detection_engine/signals/status'
  const call = { space, method: 'POST', path, body, right: changeRight } as const
  mustBeWhole(await kibana.ask(call, signal))
}

export async function setTags(
  kibana: Kibana,
  space: string,
  uuids: readonly string[],
  tags: { add: readonly string[]; remove: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const body = { ids: uuids, tags: { tags_to_add: tags.add, tags_to_remove: tags.remove } }
  const path = '/api/detection_engine/signals/tags'
  const call = { space, method: 'POST', path, body, right: changeRight } as const
  mustBeWhole(await kibana.ask(call, signal))
}

/** An update by query says 200 also when it met somebody else's change. */
const Updated = z.object({
  timed_out: z.boolean().default(false),
  version_conflicts: z.number().default(0),
  failures: z.array(z.unknown()).default([]),
})

function mustBeWhole(answer: unknown): void {
  const read = Updated.safeParse(answer).data
  if (read && !read.timed_out && read.version_conflicts === 0 && read.failures.length === 0) return
  throw new Problem('service_unreachable', 'kibana did not change all of the alerts', {
    remedy: 'somebody may change them at the same time; it is tried again by itself',
  })
}
