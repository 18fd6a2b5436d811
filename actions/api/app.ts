/** The HTTP application as a value: routes, authentication, limits, problems as answers. No port, no files. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { secureHeaders } from 'hono/secure-headers'
import { maybeAddress, widen } from '#contract/address.ts'
import { nearest, Problem, toProblem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import type { Notices } from '../notice/notices.ts'
import { mountActiveResponses } from './active-responses.ts'
import { mountAddresses } from './addresses.ts'
import { mountAlerts } from './alerts.ts'
import { openAuthentication } from './authenticate.ts'
import { mountConnectors } from './connectors.ts'
import { mountDecisions } from './decisions.ts'
import { mountExport } from './export.ts'
import { mountFeeds } from './feeds.ts'
import { mountHealth } from './health.ts'
import { mountJournal } from './journal.ts'
import { mountKeys } from './keys.ts'
import { mountLinks } from './links.ts'
import { mountNodeAlerts } from './node-alerts.ts'
import { mountNodePosture } from './node-posture.ts'
import { mountNodeReports } from './node-reports.ts'
import { mountNodeState } from './node-state.ts'
import { mountNodeStream } from './node-stream.ts'
import { mountNodes } from './nodes.ts'
import { mountNotices } from './notices.ts'
import { type OpenApi, openApiDocument } from './openapi.ts'
import { mountOrders } from './orders.ts'
import { mountPolicy } from './policy.ts'
import { mountPosture } from './posture.ts'
import { mountPublicKeys } from './public-keys.ts'
import { openRateLimit } from './rate-limit.ts'
import { mountRetention } from './retention.ts'
import { mountReview } from './review.ts'
import { mountReviewBulk } from './review-bulk.ts'
import { mountReviewSaid } from './review-said.ts'
import { mountReviewVerbs } from './review-verbs.ts'
import type { App, Env } from './route.ts'
import { mountSimulate } from './simulate.ts'
import { mountSources } from './sources.ts'
import { mountTokens } from './tokens.ts'

/** Bytes of one request body: 10,000 records of ordinary size, what a node says or an active response gives at most, and what a person orders. */
export const maxBody = 16 * 1_024 * 1_024
const bodies = [
  { path: /^\/v1\/alerts\//, limit: openBodyLimit(maxBody) },
  { path: /^\/v1\/(receipts$|proof$|active-responses\/)/, limit: openBodyLimit(4 * 1_024 * 1_024) },
  { path: /^\/v1\/(policy\/simulate|posture\/(diff|apply))$/, limit: openBodyLimit(1_024 * 1_024) },
  { path: /^\/v1\/heartbeat$/, limit: openBodyLimit(1_024 * 1_024) },
  { path: /^/, limit: openBodyLimit(64 * 1_024) },
]

/** Requests a second: known callers, and strangers by address. */
const known = { perSecond: 5_000, burst: 20_000 }
/** What costs nothing to answer, however often it is asked. */
const probes = ['/healthz', '/readyz']
const strangers = { perSecond: 10, burst: 50 }

export function makeApp(flow: Flow & { notices: Notices }): App {
  const app: App = new OpenAPIHono<Env>()
  const authenticate = openAuthentication(flow.store.read, flow.keys.issuer)
  const callers = openRateLimit(known.perSecond, known.burst)
  const attempts = openRateLimit(strangers.perSecond, strangers.burst)

  app.onError((error, context) => {
    const problem = toProblem(error)
    if (problem.code === 'internal')
      flow.log.error({ err: error, path: loggable(context.req.path) }, 'a request failed')
    const headers = { 'content-type': 'application/problem+json', ...retryAfter(problem) }
    return context.body(JSON.stringify(problem), statusOf(problem), headers)
  })
  app.use(secureHeaders())
  app.use(async (context, next) => {
    const body = bodies.find(({ path }) => path.test(context.req.path))
    return body ? body.limit(context, next) : next()
  })
  app.use(async (context, next) => {
    const now = flow.now()
    const attempt = () =>
      attempts.take(strangerAt(context.env?.incoming?.socket?.remoteAddress), now)
    const caller = await authenticate(context.req.header('authorization'), now).catch((error) => {
      attempt()
      throw error
    })
    if (caller.kind !== 'nobody') callers.take(caller.actor, now)
    // A flood from beside a load balancer must not make it think that the service is dead.
    else if (!probes.includes(context.req.path)) attempt()
    context.set('caller', caller)
    await next()
  })

  mountAlerts(app, flow)
  mountDecisions(app, flow)
  mountOrders(app, flow)
  mountActiveResponses(app, flow)
  mountReview(app, flow)
  mountReviewVerbs(app, flow)
  mountReviewBulk(app, flow)
  mountReviewSaid(app, flow)
  mountLinks(app, flow)
  mountAddresses(app, flow)
  mountNodes(app, flow)
  mountNodeStream(app, flow)
  mountNodeState(app, flow)
  mountPublicKeys(app, flow)
  mountNodeReports(app, flow)
  mountNodeAlerts(app, flow)
  mountFeeds(app, flow)
  mountPosture(app, flow)
  mountNodePosture(app, flow)
  mountTokens(app, flow)
  mountJournal(app, flow)
  mountExport(app, flow)
  mountRetention(app, flow)
  mountPolicy(app, flow)
  mountSimulate(app, flow, { busy: false })
  mountConnectors(app, flow)
  mountSources(app, flow)
  mountNotices(app, flow)
  mountKeys(app, flow)
  mountHealth(app, flow)
  // Made when it is first asked for: only then is the port known.
  let document: OpenApi | undefined
  const describe = () => {
    document ??= openApiDocument(app, flow.reachable().url)
    return document
  }
  app.get('/openapi.json', (context) => context.json(describe()))
  app.notFound((context) => {
    throw nothingAt(context.req.method, context.req.path, Object.keys(describe().paths))
  })
  return app
}

/** What follows here is a secret. */
function loggable(path: string): string {
  return path.replace(/(\/answer\/).*/s, '$1…')
}

function nothingAt(method: string, path: string, known: readonly string[]): Problem {
  const guess = nearest(path, known)
  return new Problem('not_found', `there is no ${method} ${path}`, {
    remedy: guess
      ? `did you mean ${guess}? /openapi.json lists all operations`
      : '/openapi.json lists all operations',
  })
}

/** The length that is announced is the one that the parser of HTTP lets through; only without one must it be counted. */
function openBodyLimit(maxSize: number): MiddlewareHandler<Env> {
  const refuse = () => {
    throw new Problem('too_large', `the body is larger than ${maxSize} bytes`, {
      remedy: 'send less in one request',
    })
  }
  const counted = bodyLimit({ maxSize, onError: refuse })
  return (context, next) => {
    const length = context.req.header('content-length')
    const announced = length !== undefined && context.req.header('transfer-encoding') === undefined
    // Already to look at the body makes a web stream of it: a tenth of the work of a small request.
    if (!announced) return counted(context, next)
    return Number(length) > maxSize ? refuse() : next()
  }
}

/** Whoever has one IPv6 address has the /64 around it. */
function strangerAt(remote: string | undefined): string {
  const address = maybeAddress(remote?.replace(/%.*/, '') ?? '')
  return address ? widen(address, address.family === 6 ? 64 : 32).text : 'unknown'
}

function retryAfter(problem: Problem): Record<string, string> {
  return problem.status === 429 || problem.status === 503 ? { 'retry-after': '1' } : {}
}

function statusOf(problem: Problem) {
  return problem.status as 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 502 | 503
}
