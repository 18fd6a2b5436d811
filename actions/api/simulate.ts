/** What another policy would have done: replayed over the stored alerts, told as it goes. */
import { z } from '@hono/zod-openapi'
import { printable } from '#contract/printable.ts'
import { nearest, Problem } from '#contract/problem.ts'
import { readTime } from '#contract/time.ts'
import { type Policy, readPolicy } from '../decide/policy.ts'
import type { Flow } from '../flow/flow.ts'
import { type Simulation, type SimulationOrder, startSimulation } from '../simulate/simulation.ts'
import { databaseFile } from '../store/replay.ts'
import { type App, mount } from './route.ts'

const Time = z
  .string()
  .transform((text, context) => {
    const ms = readTime(text)
    if (ms !== undefined) return ms
    context.addIssue({ code: 'custom', message: 'no RFC 3339 time with a zone' })
    return z.NEVER
  })
  .meta({ type: 'string', example: '2026-03-01T00:00:00.000Z' })

const span = {
  since: Time.optional().meta({ description: 'from this time on; seven days ago if not named' }),
  until: Time.optional().meta({ description: 'before this time; now if not named' }),
}
const usualMs = 7 * 86_400_000

const ndjson = 'application/x-ndjson'

/** One at a time, for a simulation takes a core of its own and much memory. */
export type Turn = { busy: boolean }

export function mountSimulate(app: App, flow: Flow, turn: Turn): void {
  mount(app, {
    method: 'post',
    path: '/v1/policy/simulate',
    summary: 'Simulate a policy',
    description:
      'Replays stored alerts, oldest first, through the judgement. With policy, the text of a draft, the draft is compared with the policy in force over the same alerts; without, the policy in force is compared with what was decided then. Lines of JSON: progress {done, total} again and again, at last report or problem. Nothing is changed. Ends when the caller goes away.',
    tag: 'administration',
    access: 'read',
    body: z.strictObject({
      ...span,
      policy: z
        .string()
        .max(512 * 1_024)
        .optional()
        .meta({ description: 'the YAML of a draft' }),
      rule: z.string().max(100).optional().meta({ description: 'only what this rule decides' }),
    }),
    bodyExample: { since: '2026-03-01T00:00:00.000Z' },
    answer: {
      status: 200,
      schema: z.string(),
      type: ndjson,
      description: 'lines of JSON; the last one holds the report',
      example: '{"progress":{"done":2000,"total":120000}}\n',
    },
    problems: ['policy_invalid', 'conflict', 'unsupported'],
    handle: async ({ body }, context) => {
      const { policy, rule } = body
      const draft = policy === undefined ? undefined : readPolicy(policy)
      if (rule !== undefined) checkRule(rule, [flow.policy.current(), draft])
      const order = await orderOf(flow, 'simulate', {
        ...body,
        drafts: policy === undefined ? [] : [policy],
      })
      const simulation = begin(turn, { ...order, rule })
      return context.body(toLines(simulation), 200, linesHeaders)
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/policy/suggest',
    summary: 'Suggest changes of the policy',
    description:
      'Proposes protect entries, rules and counts from what was observed, each as a diff of the policy with what speaks for it and what it would have changed. Lines of JSON as of a simulation; report holds suggestions. Nothing is changed.',
    tag: 'administration',
    access: 'read',
    body: z.strictObject(span),
    bodyExample: { since: '2026-03-01T00:00:00.000Z' },
    answer: {
      status: 200,
      schema: z.string(),
      type: ndjson,
      description: 'lines of JSON; the last one holds the suggestions',
      example: '{"progress":{"done":2000,"total":120000}}\n',
    },
    problems: ['conflict', 'unsupported'],
    handle: async ({ body }, context) => {
      const simulation = begin(turn, await orderOf(flow, 'suggest', { ...body, drafts: [] }))
      return context.body(toLines(simulation), 200, linesHeaders)
    },
  })
}

const linesHeaders = { 'content-type': `${ndjson}; charset=utf-8`, 'cache-control': 'no-store' }

type Asked = { since?: number | undefined; until?: number | undefined; drafts: readonly string[] }

/** Throws `invalid_input` for a time that ends before it begins, `unsupported` for a store in memory. */
async function orderOf(
  flow: Flow,
  what: SimulationOrder['what'],
  asked: Asked,
): Promise<SimulationOrder> {
  const now = flow.now()
  const { since = now - usualMs, until = now + 1, drafts } = asked
  if (since >= until)
    throw new Problem('invalid_input', 'since is not before until', {
      remedy: 'name a time that begins before it ends',
    })
  const file = await databaseFile(flow.store.read)
  if (file === '')
    throw new Problem(
      'unsupported',
      'the store is in memory and cannot be read by another thread',
      {
        remedy: 'run the service with a data directory',
      },
    )
  const { policy, own, said } = flow
  const inForce = policy.text()
  const written = new Set(readPolicy(inForce).protect.map(({ address }) => address.text))
  const named = policy.current().protect.filter(({ address }) => !written.has(address.text))
  return {
    what,
    file,
    since,
    until,
    inForce,
    drafts,
    protect: named.map(({ address, why }) => ({ address: address.text, why })),
    around: { own: own(), sheltered: said.sheltered() },
  }
}

/** Throws `invalid_input` for a name that no rule has: nothing would be found, and that would be believed. */
function checkRule(name: string, policies: readonly (Policy | undefined)[]): void {
  const known = policies.flatMap((policy) => policy?.rules.map((rule) => rule.name) ?? [])
  if (known.includes(name)) return
  const guess = nearest(name, known)
  throw new Problem('invalid_input', `there is no rule "${printable(name)}"`, {
    remedy: guess ? `did you mean "${guess}"?` : '"cordon policy show" shows the rules in force',
  })
}

/** Throws `conflict` while another one runs. */
function begin(turn: Turn, order: SimulationOrder): Simulation {
  if (turn.busy)
    throw new Problem('conflict', 'another simulation is running', {
      remedy: 'wait until it has ended, or end it where it was started, with Ctrl-C',
    })
  const simulation = startSimulation(order)
  turn.busy = true
  void simulation.ended.then(() => {
    turn.busy = false
  })
  return simulation
}

function toLines({ messages, stop, ended }: Simulation): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const told = messages[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await told.next()
        if (done) return controller.close()
        // So that whoever has read the last line can ask for the next simulation.
        if (!('progress' in value)) await ended
        controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`))
      },
      cancel: stop,
    },
    { highWaterMark: 0 },
  )
}
