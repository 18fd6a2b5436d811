/** Active responses: what another product's own rules order to be blocked or let go of. */
import { z } from '@hono/zod-openapi'
import { Direction } from '#contract/action.ts'
import { type Address, maybeAddress } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { type Order, outcomes } from '../flow/active-response.ts'
import type { Flow } from '../flow/flow.ts'
import type { RunningConnector } from '../flow/receive.ts'
import { type App, mount } from './route.ts'

const longestSeconds = 366 * 24 * 3_600

const Given = z.strictObject({
  line: z.unknown().meta({ type: 'object', description: 'the order as the product gave it' }),
  age_s: z.int().min(0).max(longestSeconds).default(0).meta({ description: 'how long ago' }),
  again: z.boolean().default(false).meta({
    description: 'the product blocks this already: prolongs a block, but undoes nobody’s lift',
  }),
})

const Body = z.strictObject({
  host: z.string().min(1).max(100).meta({ example: 'web-01' }),
  audience: z.array(Audience).min(1).optional(),
  direction: Direction.optional(),
  timeouts_s: z.array(z.int().min(1).max(longestSeconds)).max(100).default([]).meta({
    description: 'the lengths that the product’s settings know; without any the policy’s default',
  }),
  white_list: z.array(z.string().max(300)).max(10_000).default([]).meta({
    description: 'never blocked by these orders; what is no address is passed over',
  }),
  orders: z.array(Given).min(1).max(100),
})

const example = {
  success: true,
  results: [
    {
      did: 'blocked',
      said: '203.0.113.7 is blocked until 2026-03-01T04:01:00.000Z (d-4x7k2m9qz1hb0wfa)',
      decision: 'd-4x7k2m9qz1hb0wfa',
    },
  ],
}

export function mountActiveResponses(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/active-responses/{connector}',
    summary: 'Carry out active responses',
    description:
      'Orders of another product in the order in which it gave them, each answered by itself: a block that ends a minute after the product’s own time, or its lift. A lift touches only what was ordered here with the same token for the same audience; one that comes before the time is over is not followed, since the product was stopped. To send them again changes nothing. With "Accept: text/plain" the answer is one line for each result.',
    tag: 'decisions',
    access: 'respond',
    params: z.object({ connector: z.string().meta({ example: 'wazuh' }) }),
    body: Body,
    bodyExample: {
      host: 'web-01',
      timeouts_s: [600],
      orders: [
        {
          line: {
            version: 1,
            origin: { name: 'node01', module: 'wazuh-execd' },
            command: 'add',
            parameters: {
              extra_args: [],
              alert: {
                rule: { id: '5763', description: 'sshd: brute force' },
                data: { srcip: '203.0.113.7' },
              },
              program: 'active-response/bin/cordon-block',
            },
          },
        },
      ],
    },
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        results: z.array(
          z.object({ did: z.enum(outcomes), said: z.string(), decision: z.string().optional() }),
        ),
      }),
      type: ['application/json', 'text/plain'],
      description: 'what was done, in order',
      example,
    },
    problems: ['not_found', 'malformed_json', 'too_large'],
    handle: async ({ params, body, caller }, context) => {
      const running = mustOrder(flow, params.connector)
      const results = await flow.orders.respond(
        {
          product: params.connector,
          host: printable(body.host, 100),
          audience: body.audience,
          direction: body.direction,
          lengthsMs: body.timeouts_s.map((seconds) => seconds * 1_000),
          spared: body.white_list.flatMap(readSpared),
          orders: body.orders.map((given) => readGiven(running, given, flow.now())),
        },
        caller.actor,
      )
      if (!/^text\/plain\b/.test(context.req.header('accept') ?? '')) return { results }
      return context.text(results.map(({ did, said }) => `${did}: ${printable(said)}\n`).join(''))
    },
  })
}

/** Wazuh takes a network with its mask too: what it spares is spared here. */
function readSpared(text: string): Address[] {
  const [, network, mask = ''] = /^(.+)\/(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  const bits = maybeAddress(mask)
    ?.bytes.reduce((all, byte) => all + byte.toString(2).padStart(8, '0'), '')
    .match(/^(1*)0*$/)?.[1]
  const address = maybeAddress(bits === undefined ? text : `${network}/${bits.length}`)
  return address ? [address] : []
}

function readGiven(
  { connector, settings }: RunningConnector,
  { line, age_s, again }: z.output<typeof Given>,
  now: number,
): Order {
  const more = { agedMs: age_s * 1_000, again }
  try {
    const order = connector.order?.(line, { settings, now })
    return { order: order ?? new Problem('internal', 'no order was read'), ...more }
  } catch (error) {
    return { order: toProblem(error), ...more }
  }
}

function mustOrder({ connectors }: Flow, name: string): RunningConnector {
  const running = connectors.get(name)
  if (running?.connector.order) return running
  const able = [...connectors].filter(([, { connector }]) => connector.order).map(([key]) => key)
  throw new Problem(
    'not_found',
    `no connector ${printable(name, 60)} takes active responses here`,
    {
      remedy: `running are ${able.join(', ') || 'none that do'}; CORDON_CONNECTORS names them`,
    },
  )
}
