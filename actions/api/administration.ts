/** What administrators do: tokens, journal, policy, keys, epoch, connectors. */
import { z } from '@hono/zod-openapi'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { newEpoch } from '../flow/epoch.ts'
import type { Flow } from '../flow/flow.ts'
import { makeToken } from '../flow/secret.ts'
import { appendJournal, readJournal, verifyJournal } from '../store/journal.ts'
import { listTokens, putToken, revokeToken, scopes, type Token } from '../store/tokens.ts'
import { type App, mount } from './route.ts'

const TokenShape = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(scopes)),
    created: z.string(),
    expires: z.string().nullable(),
    revoked: z.string().nullable(),
  })
  .meta({ id: 'Token' })
const tokenExample = { id: 't-4x7k2m9q', name: 'wazuh', scopes: ['ingest'], expires: null }

export function mountAdministration(app: App, flow: Flow): void {
  mountTokens(app, flow)
  mountJournal(app, flow)
  mountPolicy(app, flow)
  mountKeys(app, flow)
}

function mountTokens(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/tokens',
    summary: 'List tokens',
    tag: 'administration',
    access: 'admin',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), tokens: z.array(TokenShape) }),
      description: 'without their secrets, of which only hashes are kept',
      example: { success: true, tokens: [tokenExample] },
    },
    handle: async () => ({ tokens: (await listTokens(flow.store.read)).map(showToken) }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/tokens',
    summary: 'Create a token',
    tag: 'administration',
    access: 'admin',
    body: z.strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)
        .meta({ example: 'wazuh' }),
      scopes: z.array(z.enum(scopes)).min(1),
      for: Duration.optional().meta({ type: 'string', example: '365d' }),
    }),
    bodyExample: { name: 'wazuh', scopes: ['ingest'], for: '365d' },
    answer: {
      status: 201,
      schema: z.object({ success: z.literal(true), secret: z.string(), token: TokenShape }),
      description: 'the secret is shown once',
      example: { success: true, secret: 'cordon_…', token: tokenExample },
    },
    handle: async ({ body, caller }) => {
      const wanted = { name: body.name, scopes: body.scopes, lifeMs: body.for }
      const { secret, token } = makeToken(flow.random, flow.now(), wanted)
      const shown = showToken(token)
      await flow.store.write(async (tx) => {
        await putToken(tx, token)
        await appendJournal(tx, [
          {
            at: flow.now(),
            actor: caller.actor,
            action: 'token.create',
            subject: token.id,
            after: shown,
          },
        ])
      })
      return { secret, token: shown }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/tokens/{id}/revoke',
    summary: 'Revoke a token',
    tag: 'administration',
    access: 'admin',
    params: z.object({ id: z.string().meta({ example: 't-4x7k2m9q' }) }),
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), message: z.string() }),
      description: 'of no use from now on',
      example: { success: true, message: 't-4x7k2m9q is revoked' },
    },
    problems: ['not_found'],
    handle: async ({ params, caller }) => {
      await flow.store.write(async (tx) => {
        if (!(await revokeToken(tx, params.id, flow.now())))
          throw new Problem('not_found', `there is no token ${params.id} in force`, {
            remedy: 'see "cordon token list"',
          })
        await appendJournal(tx, [
          { at: flow.now(), actor: caller.actor, action: 'token.revoke', subject: params.id },
        ])
      })
      return { message: `${params.id} is revoked` }
    },
  })
}

function mountJournal(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/journal',
    summary: 'Read the journal',
    tag: 'administration',
    access: 'read',
    query: z.strictObject({
      after: z.coerce.number().int().min(0).default(0).meta({ example: 0 }),
      subject: z.string().optional().meta({ example: 'd-4x7k2m9qz1hb0wfa' }),
      limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ example: 100 }),
    }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        lines: z.array(
          z.object({
            seq: z.int(),
            at: z.string(),
            actor: z.string(),
            action: z.string(),
            subject: z.string(),
            before: z.unknown(),
            after: z.unknown(),
            hash: z.string(),
          }),
        ),
      }),
      description: 'oldest first',
      example: { success: true, lines: [] },
    },
    handle: async ({ query: { after, limit, subject } }) => {
      const lines = await readJournal(flow.store.read, {
        after,
        limit,
        ...(subject !== undefined && { subject }),
      })
      return {
        lines: lines.map(({ prev: _, ...line }) => ({
          ...line,
          at: printTime(line.at),
          before: line.before === null ? null : JSON.parse(line.before),
          after: line.after === null ? null : JSON.parse(line.after),
        })),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/journal/verify',
    summary: 'Verify the journal',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        whole: z.boolean(),
        lines: z.int(),
        head: z.string(),
        broken: z.int().optional().meta({ description: 'the first line that does not follow' }),
      }),
      description: 'whether every line follows from the one before',
      example: { success: true, whole: true, lines: 120, head: '9f86d08…' },
    },
    handle: async () => {
      const result = await verifyJournal(flow.store.read)
      return { whole: result.broken === undefined, ...result }
    },
  })
}

function mountPolicy(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/policy',
    summary: 'Show the policy',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), policy: z.string() }),
      description: 'the YAML text in force',
      example: { success: true, policy: 'version: 1\n' },
    },
    handle: async () => ({ policy: flow.policy.text() }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/policy/reload',
    summary: 'Reload the policy',
    description:
      'Reads the policy file again. A file that is wrong is refused and the policy in force stays.',
    tag: 'administration',
    access: 'admin',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), message: z.string() }),
      description: 'in force',
      example: { success: true, message: 'the policy is in force' },
    },
    problems: ['policy_invalid'],
    handle: async ({ caller }) => {
      const before = flow.policy.text()
      flow.policy.reload()
      const after = flow.policy.text()
      await flow.store.write((tx) =>
        appendJournal(tx, [
          {
            at: flow.now(),
            actor: caller.actor,
            action: 'policy.change',
            subject: 'policy',
            before,
            after,
          },
        ]),
      )
      return {
        message: before === after ? 'the policy has not changed' : 'the new policy is in force',
      }
    },
  })

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
        connectors: z.array(z.object({ name: z.string(), title: z.string(), path: z.string() })),
        sources: z.array(z.record(z.string(), z.unknown())),
      }),
      description: 'what runs, and how the sources that are followed fare',
      example: {
        success: true,
        connectors: [{ name: 'wazuh', title: 'Wazuh', path: '/v1/alerts/wazuh' }],
        sources: [],
      },
    },
    handle: async () => ({
      connectors: [...flow.connectors.values()].map(({ connector }) => ({
        name: connector.name,
        title: connector.title,
        path: `/v1/alerts/${connector.name}`,
      })),
      sources: flow.sources,
    }),
  })
}

function mountKeys(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/keys/rotate',
    summary: 'Rotate the signing key',
    description:
      'A new key is announced under the old one and signs from now on; nodes learn it by themselves.',
    tag: 'administration',
    access: 'admin',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), kid: z.string() }),
      description: 'the new key',
      example: { success: true, kid: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' },
    },
    handle: async ({ caller }) => {
      const before = flow.keys.current().kid
      const kid = flow.keys.rotate(flow.now())
      await flow.store.write((tx) =>
        appendJournal(tx, [
          {
            at: flow.now(),
            actor: caller.actor,
            action: 'key.rotate',
            subject: kid,
            before: { kid: before },
            after: { kid },
          },
        ]),
      )
      return { kid }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/epoch',
    summary: 'Begin a new epoch',
    description:
      'After the store was restored from a backup or moved: every node asks for the whole state anew.',
    tag: 'administration',
    access: 'admin',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), epoch: z.int() }),
      description: 'the new epoch',
      example: { success: true, epoch: 2 },
    },
    handle: async ({ caller }) => ({
      epoch: await newEpoch(flow.store, flow.hub, caller.actor, flow.now()),
    }),
  })
}

function showToken({
  id,
  name,
  scopes: held,
  created,
  expires,
  revoked,
}: Token): z.infer<typeof TokenShape> {
  return {
    id,
    name,
    scopes: held,
    created: printTime(created),
    expires: expires === null ? null : printTime(expires),
    revoked: revoked === null ? null : printTime(revoked),
  }
}
