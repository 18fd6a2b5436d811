/** The connectors that run, how each of them fares, and trying them out. */
import { z } from '@hono/zod-openapi'
import type { Finding } from '#contract/connector.ts'
import type { ProblemCode } from '#contract/problem.ts'
import {
  abilities,
  abilitiesOf,
  alertsPath,
  connectorHealth,
  type HealthParts,
} from '../flow/connector-health.ts'
import { testConnector } from '../flow/test-connector.ts'
import { type App, mount, ProblemSchema } from './route.ts'

const trouble = {
  problem: z.string().optional(),
  code: z
    .string()
    .optional()
    .meta({ description: 'of the problem', example: 'service_unreachable' satisfies ProblemCode }),
  remedy: z.string().optional().meta({ description: 'what to do about it' }),
}

const SourceShape = z
  .object({
    connector: z.string(),
    source: z.string().meta({ description: 'its name within the connector' }),
    state: z.enum(['following', 'failing', 'away']),
    records: z.int().meta({ description: 'that came since the start' }),
    refused: z.int().meta({ description: 'of those that could not be understood' }),
    waiting: z.int().optional().meta({ description: 'results that are still to be taken' }),
    last: z.string().optional().meta({ description: 'when something came last' }),
    ...trouble,
  })
  .meta({ id: 'FollowedSource' })

const HealthShape = z
  .object({
    part: z.string().meta({
      description: 'where records are posted to, the name of a source, look-ups or notices',
    }),
    state: z.enum(['ready', 'following', 'failing', 'away', 'silent']),
    last: z.string().optional().meta({ description: 'when it last did what it is for' }),
    taken: z.int().optional().meta({
      description: 'since the start; of a way in all alerts of the connector, followed ones too',
    }),
    refused: z.int().optional(),
    waiting: z.int().optional().meta({ description: 'what is still to be told' }),
    ...trouble,
  })
  .meta({ id: 'ConnectorPart' })

const ConnectorShape = z
  .object({
    name: z.string(),
    title: z.string(),
    path: z.string().optional().meta({ description: 'where its records are posted to' }),
    abilities: z.array(z.enum(abilities)).meta({ description: 'what it is for' }),
    health: z.array(HealthShape),
  })
  .meta({ id: 'Connector' })

const What = z.string().meta({ description: 'what was tried' })
const FindingShape = z
  .union([
    z.strictObject({ what: What, found: z.string() }),
    z.strictObject({ what: What, problem: ProblemSchema }),
  ])
  .meta({ id: 'Finding' })

export function mountConnectors(app: App, parts: HealthParts): void {
  mount(app, {
    method: 'get',
    path: '/v1/connectors',
    summary: 'List connectors',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        connectors: z.array(ConnectorShape),
        sources: z.array(SourceShape),
      }),
      description: 'what runs, and how each part of it fares',
      example: {
        success: true,
        connectors: [
          {
            name: 'wazuh',
            title: 'Wazuh',
            path: '/v1/alerts/wazuh',
            abilities: ['records', 'sources'],
            health: [{ part: 'POST /v1/alerts/wazuh', state: 'ready', taken: 0 }],
          },
        ],
        sources: [],
      },
    },
    handle: async () => {
      const health = await connectorHealth(parts)
      return {
        connectors: [...parts.connectors].map(([name, { connector }]) => ({
          name,
          title: connector.title,
          ...(connector.read && { path: alertsPath(name) }),
          abilities: abilitiesOf(connector),
          health: health.get(name) ?? [],
        })),
        sources: parts.followed,
      }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/connectors/{name}/test',
    summary: 'Test a connector',
    description:
      'Tries what its settings name, such as addresses, keys and rights, within a minute. Changes nothing and sends nobody anything; a provider of intelligence is asked once, which uses one request of its quota.',
    tag: 'administration',
    access: 'admin',
    params: z.object({ name: z.string().max(60).meta({ example: 'wazuh' }) }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        connector: z.string(),
        works: z.boolean().meta({ description: 'whether nothing is wrong' }),
        findings: z.array(FindingShape),
      }),
      description: 'what was found, in the order in which one thing depends on another',
      example: {
        success: true,
        connector: 'wazuh',
        works: true,
        findings: [{ what: 'POST /v1/alerts/wazuh', found: 'ready; nothing so far' }],
      },
    },
    problems: ['not_found'],
    handle: async ({ params }) => {
      const findings = await testConnector(parts, params.name)
      return {
        connector: params.name,
        works: findings.every((finding) => !('problem' in finding)),
        findings: findings.map(show),
      }
    },
  })
}

function show(finding: Finding) {
  if (!('problem' in finding)) return finding
  return { what: finding.what, problem: finding.problem.toJSON() }
}
