/** A workflow as Shuffle decodes it: strict where api.yaml is lenient; and whether its parts belong together. */
import { z } from 'zod'
import type { Loaded } from './load-app.ts'

const Id = z.uuid()
const Parameter = z.looseObject({
  name: z.string(),
  value: z.string(),
  configuration: z.boolean(),
  required: z.boolean(),
  variant: z.literal('STATIC_VALUE'),
  options: z.array(z.string()).nullable(),
})
const position = z.looseObject({ x: z.number(), y: z.number() })
const Action = z.looseObject({
  id: Id,
  app_name: z.string(),
  app_version: z.string(),
  app_id: z.string(),
  label: z.string(),
  name: z.string(),
  environment: z.literal('Shuffle'),
  isStartNode: z.boolean(),
  is_valid: z.boolean(),
  parameters: z.array(Parameter),
  position,
  authentication_id: z.string(),
})
const Trigger = z.looseObject({
  id: Id,
  trigger_type: z.enum(['WEBHOOK', 'USERINPUT']),
  app_name: z.string(),
  label: z.string(),
  status: z.literal('stopped'),
  parameters: z.array(Parameter),
  position,
})
const Side = z.looseObject({ id: Id, value: z.string() })
const Condition = z.looseObject({ source: Side, condition: Side, destination: Side })
const Workflow = z.looseObject({
  id: Id,
  name: z.string().min(1),
  description: z.string(),
  start: Id,
  tags: z.array(z.string()),
  org: z.array(z.unknown()),
  created: z.number(),
  actions: z.array(Action).min(1),
  branches: z.array(
    z.looseObject({
      id: Id,
      source_id: Id,
      destination_id: Id,
      conditions: z.array(Condition).nullable(),
    }),
  ),
  visual_branches: z.array(z.unknown()),
  triggers: z.array(Trigger),
  comments: z.array(z.unknown()),
  configuration: z.strictObject({
    exit_on_error: z.boolean(),
    start_from_top: z.boolean(),
    skip_notifications: z.boolean(),
  }),
  workflow_variables: z.array(z.unknown()),
  execution_variables: z.array(z.unknown()),
})
export type Workflow = z.infer<typeof Workflow>
export type Action = z.infer<typeof Action>

export function readWorkflow(json: unknown): Workflow {
  return Workflow.parse(json)
}

const webhookParameters = ['url', 'tmp', 'auth_headers', 'custom_response_body']
const askParameters = ['alertinfo', 'options', 'type', 'email', 'sms', 'subflow']

/** What would go wrong after the import, a sentence each. */
export function faults(workflow: Workflow, { app, actions: known }: Loaded): string[] {
  const { actions, triggers, branches, start } = workflow
  const ids = [...actions, ...triggers].map(({ id }) => id)
  const labels = new Set(['exec', ...actions.map(referenceOf)])
  return [
    ...(new Set(ids).size === ids.length ? [] : ['two nodes have one id']),
    ...(actions.some(({ id, isStartNode }) => id === start && isStartNode)
      ? []
      : ['it starts at no action']),
    ...actions.flatMap((action) => actionFaults(action, app, known)),
    ...triggers.flatMap(({ id, trigger_type, parameters }) => {
      const wanted = trigger_type === 'WEBHOOK' ? webhookParameters : askParameters
      const tmp = parameters.find(({ name }) => name === 'tmp')
      return [
        ...without(wanted, parameters).map((name) => `a ${trigger_type} lacks ${name}`),
        ...(tmp && tmp.value !== `webhook_${id}` ? ['tmp is not the id of its trigger'] : []),
      ]
    }),
    ...branches
      .flatMap(({ source_id, destination_id }) => [source_id, destination_id])
      .filter((id) => !ids.includes(id))
      .map((id) => `a branch ends at ${id}, which is nowhere`),
    ...references(workflow)
      .filter((label) => !labels.has(label))
      .map((label) => `$${label} is no node`),
  ]
}

function actionFaults(action: Action, app: Loaded['app'], known: Loaded['actions']): string[] {
  const { name, app_name, app_version, parameters } = action
  const takes = known.get(name)
  if (app_name !== app.name || app_version !== app.app_version)
    return [`${app_name} ${app_version} is not the app`]
  if (!takes) return [`the app has no action ${name}`]
  const names = takes.map((one) => one.name)
  return [
    ...parameters
      .filter((one) => !names.includes(one.name))
      .map((one) => `${name} takes no ${one.name}`),
    ...takes
      .filter((one) => one.required)
      .filter((one) => !parameters.some((given) => given.name === one.name && given.value !== ''))
      .map((one) => `${name} needs ${one.name}`),
    ...takes
      .filter((one) =>
        parameters.some((p) => p.name === one.name && p.configuration !== one.configuration),
      )
      .map((one) => `${name} has ${one.name} in the wrong place`),
  ]
}

function without(wanted: readonly string[], parameters: readonly { name: string }[]): string[] {
  return wanted.filter((name) => !parameters.some((parameter) => parameter.name === name))
}

export function referenceOf({ label }: { label: string }): string {
  return label.toLowerCase().replaceAll(' ', '_')
}

function references(workflow: Workflow): string[] {
  const texts = [
    ...[...workflow.actions, ...workflow.triggers].flatMap(({ parameters }) =>
      parameters.map(({ value }) => value),
    ),
    ...workflow.branches.flatMap(({ conditions }) =>
      (conditions ?? []).flatMap(({ source, destination }) => [source.value, destination.value]),
    ),
  ]
  return texts.flatMap((text) => [...text.matchAll(/\$(\w+)/g)].map(([, label = '']) => label))
}
