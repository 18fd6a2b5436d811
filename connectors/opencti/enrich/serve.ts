/** The internal enrichment connector as a whole: register, say alive, take jobs, answer them. */
import type { Cordon, Server, Worked } from '#contract/connector.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { type Client, openClient } from '../client/client.ts'
import { readPlatform } from '../client/platform-settings.ts'
import { keepAlive, pingEveryMs } from '../client/presence.ts'
import { pushBundle } from '../client/questions/push-bundle.ts'
import type { Registration } from '../client/questions/register.ts'
import type { Settings } from '../settings.ts'
import type { Bundle } from '../stix/stix-object.ts'
import { answerJob, giveUp } from './answer-job.ts'
import { atWork, type Sent } from './at-work.ts'
import { type Broker, openBroker } from './broker.ts'
import { takeCallbacks } from './callback.ts'
import { callerOf, readKeys } from './caller.ts'
import { registerEnrichment } from './register.ts'
import { openTries, type Tries } from './tries.ts'

/** Anybody may name a key that nobody has, so that new ones are looked for no more often. */
const newKeysEveryMs = 300_000

type Parts = {
  id: string
  settings: Settings
  cordon: Cordon
  everyMs: number
  keys: NewKeys
  tries: Tries
}
/** When the keys of the platform were asked for because of a caller. */
type NewKeys = { askedAt: number }

/** Nothing without the id of a connector. */
export function serveEnrichment(
  settings: Settings,
  cordon: Cordon,
  everyMs = pingEveryMs,
): Server[] {
  const { id } = settings
  if (id === undefined) return []
  const keys = { askedAt: Number.NEGATIVE_INFINITY }
  const parts = { id, settings, cordon, everyMs, keys, tries: openTries() }
  return [{ key: 'enrichment', run: (stop, report) => run(parts, stop, report) }]
}

/** Whatever ends one of its parts ends them all: the next start registers anew, which makes queues that are gone. */
async function run(parts: Parts, stop: AbortSignal, report: (work: Worked) => void): Promise<void> {
  const { id, settings, cordon, everyMs } = parts
  const platform = readPlatform('opencti', settings)
  const client = openClient(platform)
  const registration = await registerEnrichment(client, id, settings, stop)
  const ending = new AbortController()
  const until = AbortSignal.any([stop, ending.signal])
  const broker = await brokerFor(settings, registration)
  const opened = { client, registration, broker, token: platform.token }
  const running = [
    keepAlive(client, { id, everyMs }, until),
    takeJobs(parts, opened, until, report),
  ]
  atWork.set(settings, { id, client, cordon, send: sender(id, opened) })
  try {
    await Promise.race([Promise.all(running), ...(broker ? [broker.lost] : [])])
  } finally {
    atWork.delete(settings)
    ending.abort()
    await Promise.allSettled(running)
    await broker?.close()
  }
}

type Opened = {
  client: Client
  registration: Registration
  broker: Broker | undefined
  token: string
}

async function takeJobs(
  { id, settings, cordon, keys, tries }: Parts,
  { client, registration, broker, token }: Opened,
  until: AbortSignal,
  report: (work: Worked) => void,
): Promise<void> {
  const answering = {
    client,
    cordon,
    user: registration.connector_user_id ?? undefined,
    author: settings.author,
    ceiling: settings.max_tlp,
    send: sender(id, { client, registration, broker }),
  }
  const job = async (text: string) => {
    const said = await answerJob(answering, text, until).catch((error: unknown) => {
      const problem = toProblem(error)
      if (until.aborted || !tries.isLast(text)) throw problem
      return giveUp(answering, text, problem, until)
    })
    tries.forget(text)
    report(said ?? 'done')
  }
  const ready = () => report('ready')
  if (settings.listen === 'amqp' && broker) return broker.consume(job, until, ready)
  const known = readKeys(registration.jwks)
  const { promise: stale, reject } = Promise.withResolvers<never>()
  const allowed = (authorization: string | undefined) => {
    const standing = callerOf(authorization, token, known, cordon.now())
    if (standing === 'other key' && cordon.now() - keys.askedAt >= newKeysEveryMs) {
      keys.askedAt = cordon.now()
      reject(otherKeys())
    }
    return standing === 'known'
  }
  await Promise.race([takeCallbacks({ settings, allowed, job }, until, ready), stale])
}

/** The whole bundle at once: the platform's workers take it apart and count what they expect. */
function sender(id: string, { client, registration, broker }: Omit<Opened, 'token'>) {
  return async (bundle: Bundle, { work, applicant, draft }: Sent): Promise<void> => {
    const text = JSON.stringify(bundle)
    if (!broker) {
      const variables = {
        connectorId: id,
        bundle: text,
        ...(work !== undefined && { work_id: work }),
      }
      await client.ask(pushBundle, variables, { draft })
      return
    }
    await broker.publish({
      bundle_type: 'QUEUE_BUNDLE',
      applicant_id: applicant ?? registration.connector_user_id ?? null,
      action_sequence: 1,
      entities_types: [],
      content: Buffer.from(text).toString('base64'),
      update: false,
      draft_id: draft ?? null,
      work_id: work ?? null,
    })
  }
}

async function brokerFor(
  settings: Settings,
  { config }: Registration,
): Promise<Broker | undefined> {
  if (settings.send === 'api' && settings.listen === 'api') return undefined
  const { connection, listen, push_exchange, push_routing } = config
  return openBroker({
    host: settings.mq_host ?? connection.host,
    port: settings.mq_port ?? connection.port,
    vhost: connection.vhost,
    tls: settings.mq_use_ssl ?? connection.use_ssl,
    user: settings.mq_user ?? connection.user,
    pass: settings.mq_pass ?? connection.pass,
    ca: settings.ca,
    listen,
    push: { exchange: push_exchange, routing: push_routing },
  })
}

function otherKeys(): Problem {
  return new Problem('unauthenticated', 'a caller names a key that the platform did not tell of', {
    remedy: 'nothing to do: the connector registers again, which tells of new keys',
  })
}
