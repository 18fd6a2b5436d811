/**
 * Reads and runs a story as Tines does, as far as ours go: an event from the webhook on along the links, triggers that
 * compare a field, HTTP requests, and formulas of a path or DEFAULT. Not imitated: retries, other formulas and actions.
 */
import { z } from 'zod'

const guid = z.string().regex(/^[0-9a-f]{32}$/)
const shared = {
  name: z.string(),
  disabled: z.literal(false),
  guid,
  origin_story_identifier: z.string(),
  monitoring: z.object({}).loose(),
}
const Webhook = z.looseObject({
  ...shared,
  type: z.literal('Agents::WebhookAgent'),
  options: z.strictObject({ path: guid, secret: guid, verbs: z.literal('post') }),
})
const Trigger = z.looseObject({
  ...shared,
  type: z.literal('Agents::TriggerAgent'),
  options: z.strictObject({
    rules: z.array(
      z.strictObject({ type: z.literal('field==value'), value: z.string(), path: z.string() }),
    ),
  }),
})
const Request = z.looseObject({
  ...shared,
  type: z.literal('Agents::HTTPRequestAgent'),
  options: z.strictObject({
    url: z.string(),
    method: z.enum(['get', 'post']),
    headers: z.record(z.string(), z.string()),
    content_type: z.literal('application_json').optional(),
    payload: z.record(z.string(), z.string()).optional(),
    timeout: z.number().max(30),
    disable_redirect_follow: z.literal(true),
  }),
})
const Agent = z.discriminatedUnion('type', [Webhook, Trigger, Request])
export type Agent = z.infer<typeof Agent>
const Story = z.looseObject({
  schema_version: z.number(),
  standard_lib_version: z.number(),
  action_runtime_version: z.number(),
  name: z.string(),
  guid,
  slug: z.string().regex(/^[a-z0-9_]+$/),
  agents: z.array(Agent),
  links: z.array(z.strictObject({ source: z.number(), receiver: z.number() })),
  diagram_layout: z.string(),
})
export type Story = z.infer<typeof Story>
type Values = Readonly<Record<string, unknown>>

export function readStory(text: string): Story {
  return Story.parse(JSON.parse(text))
}

/** Links that lead nowhere, actions that nothing leads to, names that no formula could tell apart: a sentence each. */
export function faults({ agents, links, diagram_layout }: Story): string[] {
  const names = agents.map(({ name }) => reference(name))
  const placed = z
    .record(z.string(), z.tuple([z.number(), z.number()]))
    .parse(JSON.parse(diagram_layout))
  const paths = [...JSON.stringify(agents).matchAll(/<<(?:DEFAULT\()?(\w+)\./g)].map(
    ([, name = '']) => name,
  )
  return [
    ...(new Set(names).size === names.length ? [] : ['two actions have one name']),
    ...(new Set(agents.map((agent) => agent.guid)).size === names.length
      ? []
      : ['two have one guid']),
    ...links
      .filter(({ source, receiver }) => !agents[source] || !agents[receiver])
      .map(({ source, receiver }) => `the link ${source} to ${receiver} leads nowhere`),
    ...agents
      .filter((_, index) => index > 0 && !links.some(({ receiver }) => receiver === index))
      .map(({ name }) => `nothing leads to ${name}`),
    ...agents.filter((agent) => !placed[agent.guid]).map(({ name }) => `${name} has no place`),
    ...paths
      .filter((name) => ![...names, 'RESOURCE', 'CREDENTIAL'].includes(name))
      .map((name) => `<<${name}>> is no action`),
  ]
}

function reference(name: string): string {
  return name.toLowerCase().replaceAll(' ', '_')
}

/** The event of every request that was made, by the name of its action as formulas write it. */
export async function runStory(
  { agents, links }: Story,
  body: object,
  { RESOURCE, CREDENTIAL }: { RESOURCE: Values; CREDENTIAL: Values },
): Promise<Map<string, unknown>> {
  const made = new Map<string, unknown>()
  const known: Record<string, unknown> = { RESOURCE, CREDENTIAL, receive_order: { body } }
  const waiting = [0]
  for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
    const agent = agents[index]
    if (!agent || !passes(agent, known)) continue
    if (agent.type === 'Agents::HTTPRequestAgent') {
      const event = await send(agent.options, known)
      known[reference(agent.name)] = event
      made.set(reference(agent.name), event)
    }
    waiting.push(...links.filter(({ source }) => source === index).map(({ receiver }) => receiver))
  }
  return made
}

function passes(agent: Agent, known: Values): boolean {
  if (agent.type !== 'Agents::TriggerAgent') return true
  return agent.options.rules.every(({ path, value }) => fill(path, known) === value)
}

async function send(options: z.infer<typeof Request>['options'], known: Values): Promise<Values> {
  const { method, payload, headers } = options
  const filled = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([name, text]) => [name, fill(text, known)]))
  const response = await fetch(encodeURI(fill(options.url, known)), {
    method: method.toUpperCase(),
    headers: { ...filled(headers), ...(payload && { 'content-type': 'application/json' }) },
    ...(payload && { body: JSON.stringify(filled(payload)) }),
    redirect: 'manual',
  })
  return { status: response.status, body: await response.json() }
}

function fill(text: string, known: Values): string {
  return text.replace(
    /<<(?:DEFAULT\(([\w.]+), "([^"]*)"\)|([\w.]+))>>/g,
    (_, path: string | undefined, otherwise = '', plain = '') =>
      String(at(known, path ?? plain) ?? otherwise),
  )
}

function at(known: Values, path: string): unknown {
  return path.split('.').reduce<unknown>((value, step) => Object(value)[step], known)
}
