/** What people said beyond one question: whom to ignore for a time, what never to block, and what to change in the policy. */
import { z } from '@hono/zod-openapi'
import { readAddress } from '#contract/address.ts'
import type { Flow } from '../flow/flow.ts'
import { noProposal } from '../flow/propose.ts'
import { findProposal, listProposals } from '../store/proposals.ts'
import { listIgnored, listSheltered } from '../store/said.ts'
import { type App, mount } from './route.ts'
import { Reason, who } from './show-decisions.ts'
import {
  IgnoredShape,
  ignoredExample,
  ProposalShape,
  proposalExample,
  ShelteredShape,
  showIgnored,
  showProposal,
  showSheltered,
} from './show-review.ts'

const Done = z.object({ success: z.literal(true), message: z.string() })
const ignoredId = z.object({ id: z.string().meta({ example: ignoredExample.id }) })
const proposalId = z.object({ id: z.string().meta({ example: proposalExample.id }) })

export function mountReviewSaid(app: App, flow: Flow): void {
  mountIgnored(app, flow)
  mountSheltered(app, flow)
  mountProposals(app, flow)
}

function mountIgnored(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/ignored',
    summary: 'List what is ignored',
    tag: 'review',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), ignoring: z.array(IgnoredShape) }),
      description: 'what is still so, oldest first',
      example: { success: true, ignoring: [ignoredExample] },
    },
    handle: async () => ({
      ignoring: (await listIgnored(flow.store.read, flow.now())).map(showIgnored),
    }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/ignored/{id}/end',
    summary: 'Ignore no longer',
    tag: 'review',
    access: 'review',
    params: ignoredId,
    body: z.strictObject({ reason: Reason }),
    bodyExample: { reason: 'the scan is over' },
    answer: {
      status: 200,
      schema: Done,
      description: 'judged again from now on',
      example: { success: true, message: `${ignoredExample.id} is ended` },
    },
    problems: ['not_found'],
    handle: async ({ params: { id }, body, caller }) => {
      await flow.review.endIgnored(id, who(caller, body.reason))
      return { message: `${id} is ended` }
    },
  })
}

function mountSheltered(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/sheltered',
    summary: 'List what people protected',
    description: 'Besides what the policy protects.',
    tag: 'review',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), sheltered: z.array(ShelteredShape) }),
      description: 'oldest first',
      example: { success: true, sheltered: [] },
    },
    handle: async () => ({
      sheltered: (await listSheltered(flow.store.read)).map(showSheltered),
    }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/sheltered/end',
    summary: 'Protect no longer',
    description: 'What stands in the policy stays protected.',
    tag: 'review',
    access: 'review',
    body: z.strictObject({ address: z.string().meta({ example: '203.0.113.7' }), reason: Reason }),
    bodyExample: { address: '203.0.113.7', reason: 'it stands in the policy now' },
    answer: {
      status: 200,
      schema: Done,
      description: 'judged like any other from now on',
      example: { success: true, message: '203.0.113.7 is protected by nobody any more' },
    },
    problems: ['not_found', 'address_invalid'],
    handle: async ({ body, caller }) => {
      const address = readAddress(body.address).text
      await flow.review.unprotect(address, who(caller, body.reason))
      return { message: `what people said to protect ${address} is ended` }
    },
  })
}

function mountProposals(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/policy/proposals',
    summary: 'List proposed changes of the policy',
    description: 'People apply them to the policy file by hand; the service never writes it.',
    tag: 'review',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), proposals: z.array(ProposalShape) }),
      description: 'oldest first',
      example: { success: true, proposals: [proposalExample] },
    },
    handle: async () => {
      const proposals = await listProposals(flow.store.read)
      return { proposals: proposals.map((proposal) => showProposal(flow, proposal)) }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/policy/proposals/{id}',
    summary: 'Show a proposed change of the policy',
    tag: 'review',
    access: 'read',
    params: proposalId,
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), proposal: ProposalShape }),
      description: 'with its diff',
      example: { success: true, proposal: proposalExample },
    },
    problems: ['not_found'],
    handle: async ({ params: { id } }) => {
      const proposal = await findProposal(flow.store.read, id)
      if (proposal) return { proposal: showProposal(flow, proposal) }
      throw noProposal(id)
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/policy/proposals/{id}/withdraw',
    summary: 'Withdraw a proposed change of the policy',
    tag: 'review',
    access: 'review',
    params: proposalId,
    body: z.strictObject({ reason: Reason }),
    bodyExample: { reason: 'decided otherwise' },
    answer: {
      status: 200,
      schema: Done,
      description: 'gone from the list',
      example: { success: true, message: `${proposalExample.id} is withdrawn` },
    },
    problems: ['not_found'],
    handle: async ({ params: { id }, body, caller }) => {
      await flow.review.withdraw(id, who(caller, body.reason))
      return { message: `${id} is withdrawn` }
    },
  })
}
