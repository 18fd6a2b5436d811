/** How each connector fares, part by part: what it takes in, whom it asks, whom it tells, and what it serves. */
import type { Connector } from '#contract/connector.ts'
import type { ProblemCode } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { FactSources } from '../facts/sources.ts'
import { lastAlerts } from '../store/last-alerts.ts'
import type { Reader } from '../store/store.ts'
import type { Counts } from './counts.ts'
import type { SourceHealth } from './pull.ts'
import type { RunningConnector } from './receive.ts'

export const abilities = [
  'records',
  'sources',
  'look-ups',
  'notices',
  'results',
  'service',
] as const
export type Ability = (typeof abilities)[number]

export type HealthLine = {
  /** `POST /v1/alerts/wazuh`, the key of a source, `look-ups` or `notices`. */
  part: string
  state: 'ready' | 'following' | 'failing' | 'away' | 'silent'
  last?: string
  taken?: number
  refused?: number
  waiting?: number
  problem?: string
  code?: ProblemCode
  remedy?: string
}

export type HealthParts = {
  connectors: ReadonlyMap<string, RunningConnector>
  followed: readonly SourceHealth[]
  sources: Pick<FactSources, 'states'>
  counts: Pick<Counts, 'of'>
  store: { read: Reader }
  now(): number
  notices: { channels(): readonly ChannelLine[] }
}

type ChannelLine = {
  name: string
  state: 'ready' | 'failing'
  waiting: number
  last?: string
  problem?: string
}

/** What it is for, whatever its settings. */
export function abilitiesOf(connector: Connector): Ability[] {
  const has: Record<Ability, unknown> = {
    records: connector.read,
    sources: connector.sources,
    'look-ups': connector.lookup,
    notices: connector.publisher,
    results: connector.sinks,
    service: connector.serve,
  }
  return abilities.filter((ability) => has[ability] !== undefined)
}

export function alertsPath(connector: string): string {
  return `/v1/alerts/${connector}`
}

/** By connector. */
export async function connectorHealth(parts: HealthParts): Promise<Map<string, HealthLine[]>> {
  const last = await lastAlerts(parts.store.read)
  const counted = new Map(parts.counts.of('alerts'))
  const channels = parts.notices.channels()
  return new Map(
    [...parts.connectors].map(([name, { connector }]) => [
      name,
      [
        ...(connector.read ? [pushed(name, last.get(name), counted.get(name) ?? 0)] : []),
        ...parts.followed.filter((line) => line.connector === name).map(followed),
        ...(connector.lookup ? asked(parts, name) : []),
        ...channels.filter((channel) => channel.name === name).map(told),
      ],
    ]),
  )
}

function pushed(name: string, last: number | undefined, taken: number): HealthLine {
  return {
    part: `POST ${alertsPath(name)}`,
    state: 'ready',
    taken,
    ...(last !== undefined && { last: printTime(last) }),
  }
}

function followed({ connector, source, records, ...line }: SourceHealth): HealthLine {
  return { part: source, taken: records, ...line }
}

function asked({ sources, now }: HealthParts, name: string): HealthLine[] {
  return sources
    .states()
    .filter((source) => source.kind === 'provider' && source.name === name)
    .map(({ state, age, problem }) => ({
      part: 'look-ups',
      state,
      ...(age !== undefined && { last: printTime(now() - age) }),
      ...(problem && { problem: problem.detail, code: problem.code }),
      ...(problem?.remedy !== undefined && { remedy: problem.remedy }),
    }))
}

function told({ name, problem, ...line }: ChannelLine): HealthLine {
  if (problem === undefined) return { part: 'notices', ...line }
  const remedy = `try it: cordon notice test ${name}`
  return { part: 'notices', ...line, problem, code: 'service_unreachable', remedy }
}
