/** The policy in force: shown, and read again from its file. */
import { z } from '@hono/zod-openapi'
import type { Flow } from '../flow/flow.ts'
import { reloadPolicy } from '../flow/reload-policy.ts'
import { type App, mount } from './route.ts'

export function mountPolicy(app: App, flow: Flow): void {
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
      const changed = await reloadPolicy(flow, caller.actor)
      return { message: changed ? 'the new policy is in force' : 'the policy has not changed' }
    },
  })
}
