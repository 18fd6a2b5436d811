/** API tokens: made, listed, revoked. */
import { z } from '@hono/zod-openapi'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import { makeToken } from '../flow/secret.ts'
import { appendJournal } from '../store/journal.ts'
import type { Writer } from '../store/store.ts'
import {
  listTokens,
  putToken,
  revokeToken,
  scopes,
  type Token,
  tokensInForce,
} from '../store/tokens.ts'
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

export function mountTokens(app: App, flow: Flow): void {
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
    problems: ['conflict'],
    handle: async ({ body, caller }) => {
      const wanted = { name: body.name, scopes: body.scopes, lifeMs: body.for }
      const { secret, token } = makeToken(flow.random, flow.now(), wanted)
      const shown = showToken(token)
      await flow.store.write(async (tx) => {
        await refuseTaken(tx, token.name, flow.now())
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
    problems: ['not_found', 'conflict'],
    handle: async ({ params, caller }) => {
      await flow.store.write(async (tx) => {
        await keepAnAdmin(tx, params.id, flow.now())
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

/** The journal names a caller by the name of the token: two of one name could not be told apart. */
async function refuseTaken(tx: Writer, name: string, now: number): Promise<void> {
  const taken = (await tokensInForce(tx, now)).find((token) => token.name === name)
  if (taken)
    throw new Problem('conflict', `the token ${taken.id} has the name ${name} and is in force`, {
      remedy: `take another name, or first: cordon token revoke ${taken.id}`,
    })
}

/** Without an admin nobody could make another. */
async function keepAnAdmin(tx: Writer, id: string, now: number): Promise<void> {
  const admins = (await tokensInForce(tx, now)).filter((token) => token.scopes.includes('admin'))
  if (admins.length === 1 && admins[0]?.id === id)
    throw new Problem('conflict', `${id} is the last admin token in force`, {
      remedy: 'first make another: cordon token create NAME --scope admin',
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
