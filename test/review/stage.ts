/** A service with questions in its queue, and the few words with which tests answer them. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { z } from 'zod'
import { DecisionShape } from '../../actions/api/shapes.ts'
import {
  IgnoredShape,
  ProposalShape,
  QuestionShape,
  ShelteredShape,
} from '../../actions/api/show-review.ts'
import type { Scope } from '../../actions/store/tokens.ts'
import { claimsOf } from '../claims.ts'
import {
  type Answer,
  openTestService,
  plainPolicy,
  record,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

/** Networks wider than /28 and /56 need two people; severity 60 asks about the /24 around the attacker. */
export const twoPeople = `${plainPolicy.replace(
  '  - { name: doubtful',
  '  - { name: wide, because: it is wide, when: alert.severity == 60, verdict: review, for: 2h, ipv4_prefix: 24 }\n  - { name: doubtful',
)}
review: { second_approver: { ipv4_prefix: 28, ipv6_prefix: 56 } }
`

export const hour = 3_600_000

export async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

/** An alert of which the plain policy makes a question. Returns the id of the decision. */
export async function ask(service: TestService, attacker: string, more = {}): Promise<string> {
  const { body } = await service.alert(record(attacker, { severity: 50, ...more }))
  return body.items[0]?.alerts?.[0]?.decision ?? assert.fail('no decision')
}

/** What became of an alert: its outcome. */
export async function judge(service: TestService, attacker: string, more = {}): Promise<string> {
  const { body } = await service.alert(record(attacker, more))
  return body.items[0]?.alerts?.[0]?.outcome ?? assert.fail('no outcome')
}

export function say(
  service: TestService,
  path: string,
  body: object = {},
  token?: string,
): Promise<Answer> {
  return service.ask('POST', path, {
    body: { reason: 'test', ...body },
    ...(token !== undefined && { token }),
  })
}

/** A person with a token of an own. */
export function person(service: TestService, scope: Scope): Promise<string> {
  return service.token([scope])
}

export async function stateOf(service: TestService, id: string): Promise<string> {
  const { body } = await service.ask('GET', `/v1/decisions/${id}`)
  return body.decision?.end_reason ?? body.decision?.state ?? assert.fail(id)
}

/** What the nodes are to hold now. */
export async function held(service: TestService, audience = 'all'): Promise<string[]> {
  const claims = await claimsOf(service.flow.store.read, audience, service.clock.now)
  return claims.map(({ target }) => target).sort()
}

/** Actor and action of each line about a subject. */
export async function told(service: TestService, subject: string): Promise<string[]> {
  const answer = await service.ask('GET', `/v1/journal?subject=${encodeURIComponent(subject)}`)
  const Lines = z.object({ lines: z.array(z.object({ actor: z.string(), action: z.string() })) })
  return Lines.parse(JSON.parse(answer.text)).lines.map(({ actor, action }) => `${actor} ${action}`)
}

/** The fields that answers about questions have. */
const Shown = z.looseObject({
  success: z.boolean(),
  message: z.string().optional(),
  decision: DecisionShape.optional(),
  waiting: z.number().optional(),
  question: QuestionShape.optional(),
  questions: z.array(QuestionShape).default([]),
  ignoring: z.union([IgnoredShape, z.array(IgnoredShape)]).optional(),
  sheltered: z.array(ShelteredShape).default([]),
  proposal: ProposalShape.nullish(),
  proposals: z.array(ProposalShape).default([]),
  lifted: z.array(DecisionShape).default([]),
  declined: z.array(DecisionShape).default([]),
  items: z
    .array(z.looseObject({ id: z.string(), status: z.string(), problem: z.any().optional() }))
    .default([]),
  more: z.number().optional(),
})

export function read({ text }: Answer): z.infer<typeof Shown> {
  return Shown.parse(JSON.parse(text))
}

export async function queue(service: TestService, query = ''): Promise<z.infer<typeof Shown>> {
  return read(await service.ask('GET', `/v1/review${query}`))
}
