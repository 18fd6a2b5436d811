/** The platform's message broker: jobs in, bundles out. Nothing is declared here, since queues differ by platform. */
import { setTimeout as pause } from 'node:timers/promises'
import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib'
import { Problem } from '#contract/problem.ts'

export type BrokerSettings = {
  host: string
  port: number
  vhost: string
  tls: boolean
  user: string
  pass: string
  ca: string | undefined
  /** Names as the platform gave them. */
  listen: string
  push: { exchange: string; routing: string }
}

export type Broker = {
  /**
   * Gives one job after the other, and forgets each once it was dealt with; one that rejects comes again. Resolves
   * when stopped, rejects when the broker, the queue or a job fails.
   */
  consume(job: (text: string) => Promise<void>, stop: AbortSignal, ready: () => void): Promise<void>
  /** Resolves when the broker has it in a queue. Throws `service_unreachable`, also when there is no queue. */
  publish(message: object): Promise<void>
  /** Rejects when the connection or the channel is gone. */
  lost: Promise<never>
  close(): Promise<void>
}

const connectMs = 10_000
/** One that hangs is left behind; its heartbeat ends it. */
const closeMs = 5_000
/** A broker short of memory or disk takes nothing and says nothing. */
const confirmMs = 30_000

/** Throws `service_unreachable`, and `unauthenticated` for a refused login. */
export async function openBroker(settings: BrokerSettings): Promise<Broker> {
  const model = await reach(settings)
  const { promise: lost, reject: lose } = Promise.withResolvers<never>()
  lost.catch(() => {})
  const fail = (what: string) => (error?: Error) => lose(unreachable(what, error))
  model.on('error', fail('the connection to the broker failed'))
  model.on('close', fail('the broker closed the connection'))
  const channel = await open(model, lost)
  // The platform unmakes its queues when somebody deletes the connector there.
  channel.on('error', (error) =>
    isMissing(error) ? lose(vanished(settings.listen)) : fail('the broker refused')(error),
  )
  channel.on('close', fail('the broker closed the channel'))
  const close = async () => {
    const closed = model.close().catch(() => {})
    await Promise.race([closed, pause(closeMs, undefined, { ref: false })])
  }
  return {
    consume: (job, stop, ready) => consume(channel, settings.listen, job, stop, ready, lost),
    publish: publisher(channel, settings.push, lost),
    lost,
    close,
  }
}

async function reach(settings: BrokerSettings): Promise<ChannelModel> {
  const { host, port, vhost, tls, user, pass, ca } = settings
  try {
    return await connect(
      {
        protocol: tls ? 'amqps' : 'amqp',
        hostname: host,
        port,
        username: user,
        password: pass,
        vhost,
        heartbeat: 10,
      },
      { timeout: connectMs, noDelay: true, ...(ca === undefined ? {} : { ca }) },
    )
  } catch (error) {
    throw refusedBy(`${host}:${port}`, error)
  }
}

async function open(model: ChannelModel, lost: Promise<never>): Promise<ConfirmChannel> {
  try {
    const channel = await Promise.race([model.createConfirmChannel(), lost])
    await Promise.race([channel.prefetch(1), lost])
    return channel
  } catch (error) {
    await model.close().catch(() => {})
    throw error instanceof Problem ? error : unreachable('the broker gave no channel', error)
  }
}

async function consume(
  channel: ConfirmChannel,
  queue: string,
  job: (text: string) => Promise<void>,
  stop: AbortSignal,
  ready: () => void,
  lost: Promise<never>,
): Promise<void> {
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {})
  const { promise: stopped, resolve: end } = Promise.withResolvers<void>()
  let working = Promise.resolve()
  const take = async (message: ConsumeMessage | null) => {
    if (message === null) return fail(vanished(queue))
    if (stop.aborted) return
    try {
      await job(message.content.toString('utf8'))
      channel.ack(message)
    } catch (error) {
      fail(error)
    }
  }
  const started = channel.consume(queue, (message) => {
    working = take(message)
  })
  started.catch(() => {})
  const { consumerTag } = await Promise.race([lost, started]).catch((error: unknown) => {
    throw isMissing(error) ? vanished(queue) : error
  })
  const halt = () => end()
  stop.addEventListener('abort', halt, { once: true })
  if (stop.aborted) end()
  ready()
  try {
    await Promise.race([stopped, failed, lost])
    await Promise.race([channel.cancel(consumerTag), lost])
    await working
  } finally {
    stop.removeEventListener('abort', halt)
  }
}

/** One after the other, so that what comes back unroutable is known to be this one. */
function publisher(
  channel: ConfirmChannel,
  { exchange, routing }: BrokerSettings['push'],
  lost: Promise<never>,
): Broker['publish'] {
  let last: Promise<unknown> = Promise.resolve()
  return (message) => {
    const sent = last.then(() => publishOne(channel, exchange, routing, message, lost))
    last = sent.catch(() => {})
    return sent
  }
}

async function publishOne(
  channel: ConfirmChannel,
  exchange: string,
  routing: string,
  message: object,
  lost: Promise<never>,
): Promise<void> {
  let returned = false
  const giveBack = () => {
    returned = true
  }
  channel.on('return', giveBack)
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(unreachable('the broker confirmed nothing in time')),
    confirmMs,
  )
  try {
    const { promise: confirmed, resolve, reject } = Promise.withResolvers<void>()
    const options = { persistent: true, mandatory: true, contentEncoding: 'utf-8' }
    const body = Buffer.from(JSON.stringify(message))
    channel.publish(exchange, routing, body, options, (error: unknown) => {
      if (error) reject(unreachable('the broker did not take a message', error))
      else resolve()
    })
    await Promise.race([confirmed, lost, late.promise])
  } finally {
    clearTimeout(timer)
    channel.off('return', giveBack)
  }
  if (returned)
    throw new Problem('service_unreachable', `no queue takes what is sent to ${routing}`, {
      remedy: 'nothing to do: the connector registers again, which makes the queue',
    })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404
}

function vanished(queue: string): Problem {
  return new Problem('not_found', `the queue ${queue} is gone`, {
    remedy: 'nothing to do: the connector registers again, which makes the queue',
  })
}

function unreachable(what: string, cause?: unknown): Problem {
  return new Problem('service_unreachable', what, {
    remedy: 'check that the broker runs; the connector starts again by itself',
    ...(cause === undefined ? {} : { cause }),
  })
}

function refusedBy(where: string, error: unknown): Problem {
  const text = error instanceof Error ? error.message : String(error)
  if (/403|ACCESS_REFUSED|ACCESS-REFUSED/i.test(text))
    return new Problem('unauthenticated', `the broker at ${where} refuses the login`, {
      remedy: 'set mq_user and mq_pass, or correct them on the platform',
    })
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return new Problem('untrusted_service', `the broker at ${where} did not prove who it is`, {
      remedy: 'give its authority in ca, mostly as a file',
      cause: error,
    })
  return new Problem('service_unreachable', `cannot reach the broker at ${where}`, {
    remedy:
      'check that it runs and may be reached from here; set mq_host when the platform names it otherwise, or send and listen by HTTP',
    cause: error,
  })
}
