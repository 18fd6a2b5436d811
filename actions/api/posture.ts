/** Standing rules of the nodes: compared, applied, removed and shown. */
import { z } from '@hono/zod-openapi'
import { type Address, AddressText, maybeAddress, readAddress } from '#contract/address.ts'
import { Audience, NodeName } from '#contract/audience.ts'
import { confirmSeconds, PostureStatus } from '#contract/posture.ts'
import { printTime, TimeText } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import type { PostureStanding } from '../flow/posture-standing.ts'
import { describePosture } from '../posture/describe.ts'
import { type App, mount, type RouteContext } from './route.ts'
import { Reason } from './show-decisions.ts'

const Why = Reason.optional().meta({
  description: 'why, for the journal',
  example: 'only the VPN reaches ssh',
})

const given = {
  text: z.string().max(900_000).optional().meta({
    description: 'the YAML text; without it the file that the service is set to',
  }),
  admins: z.array(AddressText).max(50).optional().meta({
    description: 'addresses from which people administer, besides the one of this request',
  }),
}

const Diff = z.object({
  audience: Audience,
  change: z.enum(['new', 'changed', 'same']),
  lines: z.array(z.string()),
})
const Warnings = z
  .array(z.string())
  .meta({ description: 'whom it would shut out, as far as known' })

const Proposal = z
  .object({ audience: Audience, sentences: z.array(z.string()), warnings: Warnings, diff: Diff })
  .meta({ id: 'PostureProposal' })

const AppliedShape = z
  .object({
    audience: Audience,
    version: z.int(),
    confirm: z.int().meta({ description: 'seconds that a node has to reach the service under it' }),
    signed: z.boolean().meta({ description: 'false: it was in force as it is already' }),
    warnings: Warnings,
    diff: Diff,
  })
  .meta({ id: 'PostureApplied' })

const NodeShape = z.object({
  node: NodeName,
  status: z.enum([...PostureStatus.options, 'unheard']).meta({
    description: 'unheard: the node has not told of this version yet',
  }),
  in_force: TimeText.nullable().meta({ description: 'the version that the node enforces' }),
  since: TimeText.nullable(),
  next_change: TimeText.nullable(),
  code: z.string().nullable(),
  detail: z.string().nullable(),
})

const PostureShape = z
  .object({
    audience: Audience,
    version: TimeText.meta({ description: 'versions are times' }),
    removed: z.boolean(),
    confirm: z.int(),
    applied: TimeText,
    actor: z.string(),
    sentences: z.array(z.string()),
    nodes: z.array(NodeShape),
  })
  .meta({ id: 'Posture' })

const diffExample = {
  audience: 'group/web',
  change: 'changed' as const,
  lines: ['+ ssh: tcp port 22 to the node from DE passes'],
}

export function mountPosture(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/posture',
    summary: 'List standing rules',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), postures: z.array(PostureShape) }),
      description: 'rules by audience, and how each of its nodes stands to them',
      example: {
        success: true,
        postures: [
          {
            audience: 'group/web',
            version: '2026-03-01T01:02:03.456Z',
            removed: false,
            confirm: 60,
            applied: '2026-03-01T01:02:03.456Z',
            actor: 'token/alice',
            sentences: ['ssh: tcp port 22 to the node from DE passes'],
            nodes: [
              {
                node: 'web-01',
                status: 'applied',
                in_force: '2026-03-01T01:02:03.456Z',
                since: '2026-03-01T01:02:04.001Z',
                next_change: null,
                code: null,
                detail: null,
              },
            ],
          },
        ],
      },
    },
    handle: async () => ({ postures: (await flow.postures.standings()).map(shown) }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/posture/diff',
    summary: 'Compare standing rules',
    description: 'What applying would change, and whom it would shut out. Nothing is changed.',
    tag: 'administration',
    access: 'admin',
    body: z.strictObject(given),
    bodyExample: { text: 'version: 1\n' },
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), proposals: z.array(Proposal) }),
      description: 'by audience of the text; others stay as they are',
      example: {
        success: true,
        proposals: [{ audience: 'group/web', sentences: [], warnings: [], diff: diffExample }],
      },
    },
    problems: ['posture_invalid'],
    handle: async ({ body }, context) => {
      const { proposals } = await flow.postures.propose(body.text, adminsOf(body, context))
      return {
        proposals: proposals.map(({ audience, sentences, warnings, diff }) => ({
          ...{ audience, sentences, warnings, diff },
        })),
      }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/posture/apply',
    summary: 'Apply standing rules',
    description:
      'Signs the rules of each audience that the text names. A node that cannot reach the service under them within the time to confirm goes back by itself.',
    tag: 'administration',
    access: 'admin',
    body: z.strictObject({
      ...given,
      confirm: z.int().min(confirmSeconds.least).max(confirmSeconds.most).optional(),
      reason: Why,
    }),
    bodyExample: { text: 'version: 1\n', confirm: 60, reason: 'only the VPN reaches ssh' },
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), applied: z.array(AppliedShape) }),
      description: 'signed and told to the nodes that are connected',
      example: {
        success: true,
        applied: [
          {
            audience: 'group/web',
            version: 1_772_326_923_456,
            confirm: 60,
            signed: true,
            warnings: [],
            diff: diffExample,
          },
        ],
      },
    },
    problems: ['posture_invalid'],
    handle: async ({ body, caller }, context) => ({
      applied: await flow.postures.apply(body.text, {
        actor: caller.actor,
        reason: body.reason,
        confirm: body.confirm,
        admins: adminsOf(body, context),
      }),
    }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/posture/remove',
    summary: 'Remove standing rules',
    tag: 'administration',
    access: 'admin',
    body: z.strictObject({ audience: Audience, reason: Why }),
    bodyExample: { audience: 'group/web', reason: 'the move is over' },
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), message: z.string(), version: z.int() }),
      description: 'told to the nodes that are connected',
      example: { success: true, message: 'group/web has no rules', version: 1_772_326_923_456 },
    },
    problems: ['not_found'],
    handle: async ({ body, caller }) => {
      const version = await flow.postures.remove(body.audience, {
        actor: caller.actor,
        reason: body.reason,
      })
      return { message: `${body.audience} has no standing rules from now on`, version }
    },
  })
}

function shown(one: PostureStanding) {
  const { audience, version, confirm, applied, actor, posture, nodes } = one
  return {
    audience,
    version: printTime(version),
    removed: posture === null,
    confirm,
    applied: printTime(applied),
    actor,
    sentences: posture ? describePosture(posture) : [],
    nodes: nodes.map(({ at, next_change, in_force, ...node }) => ({
      ...node,
      in_force: in_force === 0 ? null : printTime(in_force),
      since: at === null ? null : printTime(at),
      next_change: next_change === null ? null : printTime(next_change),
    })),
  }
}

/** Whoever asks administers, from where he asks. */
function adminsOf(
  { admins = [] }: { admins?: string[] | undefined },
  context: RouteContext,
): Address[] {
  const remote = context.env?.incoming?.socket?.remoteAddress?.replace(/%.*/, '') ?? ''
  const here = maybeAddress(remote)
  const asked = here && !here.text.startsWith('127.') && here.text !== '::1' ? [here] : []
  return [...asked, ...admins.map(readAddress)]
}
