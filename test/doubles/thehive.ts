/**
 * A TheHive 5 for tests, as far as alerts are made, read, changed and commented over its API, and its web hook.
 *
 * Imitated: API keys and permissions, organisations by header, the limits of a new alert and refusal of unknown fields, one alert
 * for each type, source and sourceRef, statuses with their stages and who may reopen, tags added and removed, who changed it
 * last, comments, listing with filters, order and pages, the event of the web hook with its bearer key.
 * Not imitated: cases, observables by themselves, custom fields, attachments, other operators of filters, sharing between
 * organisations, licences, the index that lags behind, audits, retries of the web hook (there are none).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { bodyOf, openWeb } from '../web-server.ts'
import { CommentsOf, Listing, matches, type Step } from './thehive-query.ts'

export const analyst = ['manageAlert/create', 'manageAlert/update', 'manageComment']
export const reopening = [...analyst, 'manageAlert/reopen']

const Tags = z.array(z.string().min(1).max(128)).refine((all) => new Set(all).size === all.length)
const text = (most: number) => z.string().min(1).max(most)
const Fields = {
  externalLink: text(4_096).optional(),
  severity: z.int().min(1).max(4).optional(),
  date: z.int().optional(),
  tags: Tags.optional(),
  tlp: z.int().min(0).max(4).optional(),
  pap: z.int().min(0).max(3).optional(),
  status: text(64).optional(),
  summary: z.string().max(1_048_576).optional(),
}
const NewAlert = z.strictObject({
  ...Fields,
  type: text(32),
  source: text(32),
  sourceRef: text(128),
  title: text(512),
  description: z.string().max(1_048_576),
  flag: z.boolean().optional(),
  customFields: z
    .union([
      z.record(z.string(), z.unknown()),
      z.array(z.looseObject({ name: z.string(), value: z.unknown() })),
    ])
    .optional(),
  observables: z
    .array(
      z.strictObject({
        dataType: text(64),
        data: z.union([text(4_096), z.array(text(4_096))]),
        message: z.string().optional(),
        tlp: z.int().optional(),
        pap: z.int().optional(),
        tags: Tags.optional(),
        ioc: z.boolean().optional(),
        sighted: z.boolean().optional(),
        ignoreSimilarity: z.boolean().optional(),
      }),
    )
    .optional(),
})
const Change = z.strictObject({
  ...Fields,
  title: text(512).optional(),
  addTags: Tags.optional(),
  removeTags: Tags.optional(),
})

export type StoredAlert = z.output<typeof NewAlert> & {
  _id: string
  _type: 'Alert'
  _createdBy: string
  _createdAt: number
  _updatedBy?: string
  _updatedAt?: number
  status: string
  stage: string
  tags: string[]
  comments: { createdBy: string; message: string }[]
}

export type User = { login: string; organisation: string; permissions: string[] }

export type TheHiveWorld = {
  version: string
  /** By API key. */
  users: Map<string, User>
  /** By name: the stage. */
  statuses: Map<string, string>
  alerts: StoredAlert[]
  /** Called after each change with the event and the key that is set on the endpoint. */
  hook: { url: string; key: string } | undefined
  /** Each answers one request in place of TheHive, or lets it through. */
  faults: ((request: string, response: ServerResponse) => boolean)[]
  /** Method and path of every request. */
  asked: string[]
}

const predefined = { New: 'New', InProgress: 'InProgress', Imported: 'Imported' }
const closing = { Ignored: 'Closed', Duplicate: 'Closed', FalsePositive: 'Closed' }

export function theHiveWorld(more: Partial<TheHiveWorld> = {}): TheHiveWorld {
  const cordon = { login: 'cordon@example.test', organisation: 'SOC', permissions: reopening }
  const custom = { Approved: 'Closed', Declined: 'Closed' }
  return {
    version: '5.5.9-1',
    users: new Map([['key-1', cordon]]),
    statuses: new Map(Object.entries({ ...predefined, ...closing, ...custom })),
    alerts: [],
    hook: undefined,
    faults: [],
    asked: [],
    ...more,
  }
}

export type TheHiveDouble = {
  url: string
  /** Somebody changes an alert in the user interface; resolves when the web hook was answered. */
  change(login: string, sourceRef: string, change: z.input<typeof Change>): Promise<void>
  close(): Promise<void>
}

export async function startTheHive(world: TheHiveWorld): Promise<TheHiveDouble> {
  const web = await openWeb((request, response) => answer(world, request, response))
  return {
    ...web,
    change: async (login, sourceRef, change) => {
      const alert = world.alerts.find((one) => one.sourceRef === sourceRef)
      if (!alert) throw new Error(`there is no alert ${sourceRef}`)
      const by = { login, organisation: 'SOC', permissions: reopening }
      const refused = applyChange(world, by, alert, Change.parse(change))
      if (refused) throw new Error(refused.message)
      await ring(world, alert, login, change)
    },
  }
}

type Refused = { status: number; type: string; message: string }
const refuse = (status: number, type: string, message: string): Refused => ({
  status,
  type,
  message,
})

async function answer(world: TheHiveWorld, request: IncomingMessage, response: ServerResponse) {
  const body = await bodyOf(request)
  const place = `${request.method} ${request.url}`
  world.asked.push(place)
  const fault = world.faults.shift()
  if (fault?.(place, response)) return
  const result = await route(world, request, place, body)
  if ('message' in result && 'status' in result) return send(response, result.status, result)
  if (result.body === undefined) return void response.writeHead(204).end()
  send(response, result.made ? 201 : 200, result.body)
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

type Done = { made?: true; body?: unknown }

async function route(
  world: TheHiveWorld,
  request: IncomingMessage,
  place: string,
  text: string,
): Promise<Done | Refused> {
  if (place === 'GET /api/v1/status/public')
    return { body: { versions: { TheHive: world.version } } }
  const user = userOf(world, request)
  if ('message' in user) return user
  if (place === 'GET /api/v1/user/current') return { body: { _id: '~1', name: 'x', ...user } }
  const given = text === '' ? undefined : maybeJson(text)
  if (place === 'POST /api/v1/alert') return create(world, user, given)
  if (place === 'POST /api/v1/query') return query(world, given)
  const [, id, comment] = /^\w+ \/api\/v1\/alert\/([^/]+)(\/comment)?$/.exec(place) ?? []
  const alert = world.alerts.find(({ _id }) => _id === id)
  if (!alert) return refuse(404, 'NotFoundError', `Alert ${id} not found`)
  if (comment !== undefined && request.method === 'POST') return addComment(user, alert, given)
  if (request.method === 'GET') return { body: shown(alert) }
  if (request.method === 'PATCH') return change(world, user, alert, given)
  return refuse(404, 'NotFound', 'unknown endpoint')
}

function userOf({ users }: TheHiveWorld, { headers }: IncomingMessage): User | Refused {
  const key = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
  const user = users.get(key ?? '')
  if (!user) return refuse(401, 'AuthenticationError', 'Authentication failure')
  const wanted = headers['x-organisation']
  return wanted === undefined || wanted === user.organisation
    ? user
    : refuse(403, 'AuthorizationError', `You are not a member of ${wanted}`)
}

function may({ permissions }: User, wanted: string): Refused | undefined {
  if (permissions.includes(wanted)) return undefined
  return refuse(403, 'AuthorizationError', `Your are not authorized to ${wanted}`)
}

function create(world: TheHiveWorld, user: User, given: unknown): Done | Refused {
  const read = NewAlert.safeParse(given)
  if (!read.success) return refuse(400, 'BadRequest', 'Invalid json')
  const forbidden = may(user, 'manageAlert/create')
  if (forbidden) return forbidden
  const { type, source, sourceRef } = read.data
  const same = (one: StoredAlert) =>
    one.type === type && one.source === source && one.sourceRef === sourceRef
  if (world.alerts.some(same))
    return refuse(400, 'CreateError', `Alert ${type}:${source}:${sourceRef} already exist`)
  const { status = 'New', tags = [] } = read.data
  const stage = world.statuses.get(status)
  if (stage === undefined) return refuse(400, 'BadRequest', `Alert status ${status} not found`)
  const made = { _createdBy: user.login, _createdAt: Date.now(), comments: [] }
  const alert: StoredAlert = {
    ...{ _id: `~${1_000 + world.alerts.length}`, _type: 'Alert' },
    ...{ ...read.data, ...made, status, stage, tags: [...tags] },
  }
  world.alerts.push(alert)
  return { made: true, body: shown(alert) }
}

function change(world: TheHiveWorld, user: User, alert: StoredAlert, given: unknown) {
  const read = Change.safeParse(given)
  if (!read.success) return refuse(400, 'BadRequest', 'Invalid json')
  return may(user, 'manageAlert/update') ?? applyChange(world, user, alert, read.data) ?? {}
}

/** All of it or nothing. */
function applyChange(
  world: TheHiveWorld,
  user: User,
  alert: StoredAlert,
  { addTags = [], removeTags = [], status, ...rest }: z.output<typeof Change>,
): Refused | undefined {
  const stage = status === undefined ? alert.stage : world.statuses.get(status)
  if (stage === undefined) return refuse(400, 'BadRequest', `Alert status ${status} not found`)
  if (alert.stage === 'Closed' && stage !== 'Closed') {
    const forbidden = may(user, 'manageAlert/reopen')
    if (forbidden) return forbidden
  }
  const tags = [...alert.tags.filter((tag) => !removeTags.includes(tag)), ...addTags]
  const by = { _updatedBy: user.login, _updatedAt: Date.now() }
  Object.assign(alert, rest, by, { stage, tags: rest.tags ?? [...new Set(tags)] })
  if (status !== undefined) alert.status = status
  return undefined
}

function addComment(user: User, alert: StoredAlert, given: unknown): Done | Refused {
  const read = z.strictObject({ message: text(1_048_576) }).safeParse(given)
  if (!read.success) return refuse(400, 'BadRequest', 'Invalid json')
  const forbidden = may(user, 'manageComment')
  if (forbidden) return forbidden
  alert.comments.push({ createdBy: user.login, message: read.data.message })
  return { made: true, body: { _id: '~9', _type: 'Comment', createdBy: user.login, ...read.data } }
}

function query(world: TheHiveWorld, given: unknown): Done | Refused {
  const comments = CommentsOf.safeParse(given)
  if (comments.success) {
    const [{ idOrName }] = comments.data.query
    const alert = world.alerts.find(({ _id }) => _id === idOrName)
    return { body: (alert?.comments ?? []).map((one, at) => ({ _id: `~c${at}`, ...one })) }
  }
  const listing = Listing.safeParse(given)
  if (!listing.success) return refuse(400, 'BadRequest', `Invalid query: ${listing.error.message}`)
  const [, ...steps] = listing.data.query
  return { body: steps.reduce(step, world.alerts.map(shown)) }
}

function step(alerts: Record<string, unknown>[], next: Step): Record<string, unknown>[] {
  if (next._name === 'filter') return alerts.filter((alert) => matches(alert, next))
  if (next._name === 'sort') return alerts.toReversed()
  return next._name === 'page' ? alerts.slice(next.from, next.to) : alerts
}

/** What an answer holds; comments are asked for by themselves, and no field is null. */
function shown({ comments: _, observables, ...alert }: StoredAlert): Record<string, unknown> {
  return { ...alert, observableCount: observables?.length ?? 0, extraData: {} }
}

async function ring(world: TheHiveWorld, alert: StoredAlert, by: string, details: object) {
  if (!world.hook) return
  const event = {
    ...{ _id: '~77', _type: 'Audit', _createdBy: by, _createdAt: Date.now(), action: 'update' },
    ...{ requestId: '1:2', rootId: alert._id, mainAction: true, objectType: 'Alert' },
    ...{ objectId: alert._id, object: shown(alert), details },
    organisation: { organisationId: '~8', organisation: 'SOC' },
  }
  await fetch(world.hook.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.hook.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  })
}

function maybeJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
