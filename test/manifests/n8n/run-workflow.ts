/**
 * Reads and runs a workflow as n8n does, as far as ours go: one item from the trigger on, expressions, and the nodes Set,
 * Switch, HTTP Request and Stop and Error. Not imitated: several items, loops, waiting, redirects, and the many other nodes.
 */
import { runInNewContext } from 'node:vm'
import { z } from 'zod'

const Pair = z.object({ name: z.string(), value: z.string() })
const Parameters = z.looseObject({
  assignments: z.object({ assignments: z.array(z.looseObject(Pair.shape)) }).optional(),
  rules: z
    .object({
      values: z.array(
        z.looseObject({
          conditions: z.looseObject({
            conditions: z
              .array(z.looseObject({ leftValue: z.string(), rightValue: z.string() }))
              .length(1),
          }),
        }),
      ),
    })
    .optional(),
  method: z.enum(['GET', 'POST']).optional(),
  url: z.string().optional(),
  genericAuthType: z.literal('httpHeaderAuth').optional(),
  queryParameters: z.object({ parameters: z.array(Pair) }).optional(),
  jsonBody: z.string().optional(),
  errorMessage: z.string().optional(),
  options: z
    .looseObject({
      allowUnauthorizedCerts: z.literal(false).optional(),
      response: z
        .object({
          response: z.object({ fullResponse: z.literal(true), neverError: z.literal(true) }),
        })
        .optional(),
    })
    .optional(),
})
const Node = z.strictObject({
  id: z.uuid(),
  webhookId: z.uuid().optional(),
  name: z.string(),
  type: z.string().startsWith('n8n-nodes-base.'),
  typeVersion: z.number(),
  position: z.tuple([z.number(), z.number()]),
  parameters: Parameters,
  credentials: z
    .strictObject({ httpHeaderAuth: z.object({ id: z.null(), name: z.string() }) })
    .optional(),
})
type Node = z.infer<typeof Node>
const Link = z.strictObject({ node: z.string(), type: z.literal('main'), index: z.number() })
const Workflow = z.strictObject({
  name: z.string(),
  nodes: z.array(Node),
  connections: z.record(z.string(), z.strictObject({ main: z.array(z.array(Link)) })),
  settings: z.object({ executionOrder: z.literal('v1') }),
  pinData: z.object({}),
})
export type Workflow = z.infer<typeof Workflow>
export type Item = Readonly<Record<string, unknown>>

export function readWorkflow(text: string): Workflow {
  return Workflow.parse(JSON.parse(text))
}

/** Names and ids that are there twice, and connections that lead nowhere, a sentence each. */
export function faults({ nodes, connections }: Workflow): string[] {
  const names = nodes.map(({ name }) => name)
  const linked = Object.values(connections).flatMap(({ main }) =>
    main.flat().map(({ node }) => node),
  )
  return [
    ...(new Set(names).size === names.length ? [] : ['two nodes have one name']),
    ...(new Set(nodes.map(({ id }) => id)).size === names.length ? [] : ['two nodes have one id']),
    ...[...Object.keys(connections), ...linked]
      .filter((name) => !names.includes(name))
      .map((name) => `there is no node ${name}`),
    ...names
      .slice(1)
      .filter((name) => !linked.includes(name))
      .map((name) => `nothing leads to ${name}`),
  ]
}

/** What the last node gave. `service` takes the place of the address in the workflow; `header` is the credential's. */
export async function runWorkflow(
  workflow: Workflow,
  { item, header, service }: { item: Item; header: [string, string]; service: string },
): Promise<unknown> {
  let at = workflow.nodes[0]
  let current = item
  while (at) {
    const { name } = at
    const outputs = workflow.connections[name]?.main ?? []
    const [next] = outputs[outputOf(at, current)] ?? []
    at = workflow.nodes.find((node) => node.name === next?.node)
    if (at) current = await perform(at, current, header, service)
  }
  return current
}

async function perform(
  node: Node,
  item: Item,
  header: [string, string],
  service: string,
): Promise<Item> {
  const { assignments, url, errorMessage } = node.parameters
  if (errorMessage !== undefined) throw new Error(String(evaluate(errorMessage, item)))
  if (assignments)
    return Object.fromEntries([
      ...Object.entries(item),
      ...assignments.assignments.map(({ name, value }) => [
        name,
        moved(String(evaluate(value, item)), service),
      ]),
    ])
  return url === undefined ? item : request(node, item, header, service)
}

async function request(
  { parameters }: Node,
  item: Item,
  [name, value]: [string, string],
  service: string,
): Promise<Item> {
  const { method = 'GET', url = '', queryParameters, jsonBody } = parameters
  const target = new URL(moved(String(evaluate(url, item)), service))
  for (const pair of queryParameters?.parameters ?? [])
    target.searchParams.append(pair.name, String(evaluate(pair.value, item)))
  const body = jsonBody === undefined ? undefined : JSON.stringify(evaluate(jsonBody, item))
  const response = await fetch(target, {
    method,
    headers: { [name]: value, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body }),
  })
  return { statusCode: response.status, body: await response.json() }
}

/** Rule: which output a Switch takes; the last one when nothing fits. */
function outputOf({ parameters }: Node, item: Item): number {
  const rules = parameters.rules?.values
  if (!rules) return 0
  const found = rules.findIndex(({ conditions }) =>
    conditions.conditions.every(
      ({ leftValue, rightValue }) => evaluate(leftValue, item) === evaluate(rightValue, item),
    ),
  )
  return found < 0 ? rules.length : found
}

/** Text after "=" has expressions between double braces; one alone keeps the type of its value. */
function evaluate(text: string, item: Item): unknown {
  if (!text.startsWith('=')) return text
  const run = (code: string) =>
    runInNewContext(`(${code})`, { $json: item, encodeURIComponent }, { timeout: 1_000 })
  const whole = /^=\{\{((?:(?!\}\}).)*)\}\}$/s.exec(text)?.[1]
  if (whole !== undefined) return run(whole)
  return text.slice(1).replace(/\{\{(.*?)\}\}/gs, (_, code: string) => String(run(code)))
}

function moved(address: string, service: string): string {
  return address.replace('https://cordon.example:8055', service)
}
