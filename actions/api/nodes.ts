/** Nodes as people see them: enrol, list, regroup, revoke. */
import { z } from '@hono/zod-openapi'
import { audiencesOf, NodeName } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { EnrolmentAnswer, EnrolmentRequest } from '#contract/enrolment.ts'
import { printTime } from '#contract/time.ts'
import { enrolNode, inviteNode, regroupNode, revokeNode } from '../flow/enrol.ts'
import type { Flow } from '../flow/flow.ts'
import { listNodes } from '../store/nodes.ts'
import { type App, mount } from './route.ts'
import { NodeShape, showNode } from './shapes.ts'

const nameParams = z.object({ name: NodeName.meta({ example: 'web-01' }) })
const done = z.object({ success: z.literal(true), message: z.string() })
const nodeExample = { name: 'web-01', groups: ['web'], state: 'active', connected: true }

export function mountNodes(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/nodes',
    summary: 'List nodes',
    tag: 'nodes',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), nodes: z.array(NodeShape) }),
      description: 'all nodes, revoked ones too',
      example: { success: true, nodes: [nodeExample] },
    },
    handle: async () => {
      const nodes = await listNodes(flow.store.read)
      return {
        nodes: nodes.map((node) => showNode(node, flow.hub.connected(node.name), flow.now())),
      }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/nodes/tokens',
    summary: 'Invite a node',
    description:
      'A one-time enrolment token, which carries the fingerprints that the first contact is checked against.',
    tag: 'nodes',
    access: 'admin',
    body: z.strictObject({
      groups: z.array(NodeName).max(50).default([]),
      for: Duration.default(3_600_000).meta({
        type: 'string',
        example: '1h',
        description: 'how long the token may be used',
      }),
    }),
    bodyExample: { groups: ['web'], for: '1h' },
    answer: {
      status: 201,
      schema: z.object({
        success: z.literal(true),
        token: z.string(),
        expires: z.string(),
        url: z.string(),
      }),
      description: 'shown once',
      example: {
        success: true,
        token: 'cordon_enrol_…',
        expires: '2026-03-01T01:02:03.456Z',
        url: 'https://192.0.2.10:8055',
      },
    },
    handle: async ({ body, caller }) => {
      const { token, expires } = await inviteNode(
        flow,
        { groups: body.groups, lifeMs: body.for },
        caller.actor,
      )
      return { token, expires: printTime(expires), url: flow.reachable().url }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/enrol',
    summary: 'Enrol this node',
    description: 'Called by the agent with its one-time token and its own public key.',
    tag: 'nodes',
    access: 'anybody',
    body: EnrolmentRequest,
    bodyExample: {
      secret: '0123456789abcdefghjkmnpqrstvwxyz01234567',
      name: 'web-01',
      key: {
        kty: 'EC',
        crv: 'P-256',
        x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
        y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
      },
    },
    answer: {
      status: 201,
      schema: EnrolmentAnswer.extend({ success: z.literal(true) }),
      description: 'the node is known from now on',
      example: {
        success: true,
        node: 'web-01',
        groups: ['web'],
        issuer: 'cordon-4x7k2m9q',
        keys: { keys: [] },
      },
    },
    problems: ['unauthenticated', 'token_used', 'token_expired', 'conflict'],
    handle: async ({ body }) => {
      const node = await enrolNode(flow, body)
      flow.snapshots.foresee(audiencesOf(node.name, node.groups))
      return {
        node: node.name,
        groups: node.groups,
        issuer: flow.keys.issuer,
        keys: { keys: flow.keys.published() },
      }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/nodes/{name}/revoke',
    summary: 'Revoke a node',
    tag: 'nodes',
    access: 'admin',
    params: nameParams,
    answer: {
      status: 200,
      schema: done,
      description: 'revoked',
      example: { success: true, message: 'web-01 is revoked' },
    },
    problems: ['not_found'],
    handle: async ({ params, caller }) => {
      await revokeNode(flow, params.name, caller.actor)
      return { message: `${params.name} is revoked; what it enforces ends by its own time` }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/nodes/{name}/groups',
    summary: 'Set the groups of a node',
    tag: 'nodes',
    access: 'admin',
    params: nameParams,
    body: z.strictObject({ groups: z.array(NodeName).max(50) }),
    bodyExample: { groups: ['web', 'edge'] },
    answer: {
      status: 200,
      schema: done,
      description: 'changed',
      example: { success: true, message: 'web-01 is in web, edge' },
    },
    problems: ['not_found'],
    handle: async ({ params, body, caller }) => {
      await regroupNode(flow, params.name, body.groups, caller.actor)
      return { message: `${params.name} is in ${body.groups.join(', ') || 'no group'}` }
    },
  })
}
