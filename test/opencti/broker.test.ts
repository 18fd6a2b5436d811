/** Enrichment over a real RabbitMQ, whose queues the platform makes and unmakes. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import type { GetMessage } from 'amqplib'
import { openBroker } from '../../connectors/opencti/enrich/broker.ts'
import { emptyWorld, queueNames, schemaMissing, startOpenCti, userId } from '../doubles/opencti.ts'
import { startAnswers } from '../doubles/opencti-answers.ts'
import { declareQueues, onBroker } from '../doubles/opencti-queues.ts'
import { type Rabbit, rabbitMissing, startRabbit } from '../doubles/rabbitmq.ts'
import { alertsAt, block, connectorId, cordonThatKnows, entity, job, workId } from './jobs.ts'
import { type Serving, serving } from './serving.ts'

const attacker = '203.0.113.7'

describe('enrichment over the broker', { skip: rabbitMissing() }, () => {
  const world = emptyWorld()
  const cordon = cordonThatKnows(
    new Map([[attacker, { alerts: alertsAt(1), decisions: [block()] }]]),
  )
  let rabbit: Rabbit
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  let running: Serving | undefined
  before(async () => {
    rabbit = await startRabbit()
    platform = await (schemaMissing() ? startAnswers(world) : startOpenCti(world))
  })
  after(async () => {
    await platform.close()
    await rabbit.stop()
  })
  beforeEach(async () => {
    Object.assign(world, {
      ...emptyWorld(),
      token: world.token,
      prefix: 'octi_',
      broker: { ...emptyWorld().broker, port: rabbit.port },
      declare: (id: string) => declareQueues(rabbit, world, id),
    })
    await onBroker(rabbit, async (model) => {
      const channel = await model.createChannel()
      await channel.deleteQueue(names().listen)
      await channel.deleteQueue(names().push)
    })
  })
  afterEach(() => running?.stop())

  const names = () => queueNames(world, connectorId)
  const start = () => {
    running = serving({ url: platform.url, token: world.token }, cordon)
    return running
  }
  const give = (text: string) =>
    onBroker(rabbit, async (model) => {
      const channel = await model.createConfirmChannel()
      channel.publish(names().listen_exchange, names().listen_routing, Buffer.from(text), {
        persistent: true,
      })
      await channel.waitForConfirms()
    })
  const pushed = () =>
    onBroker(rabbit, async (model) => {
      const channel = await model.createChannel()
      const found: GetMessage[] = []
      for (let one = await channel.get(names().push); one; one = await channel.get(names().push)) {
        found.push(one)
        channel.ack(one)
      }
      await channel.close()
      return found
    })
  const left = (queue: string) =>
    onBroker(rabbit, async (model) => {
      const channel = await model.createChannel()
      return (await channel.checkQueue(queue)).messageCount
    })

  test('a job is taken, answered with one persistent message, and forgotten by the broker', async () => {
    const at = start()
    await at.until('ready')
    await give(job(entity(attacker)))
    await at.until('done')
    const [message, ...more] = await pushed()
    assert.equal(more.length, 0)
    assert.deepEqual(
      [message?.properties.deliveryMode, message?.properties.contentEncoding],
      [2, 'utf-8'],
    )
    const { content, ...envelope } = JSON.parse(String(message?.content))
    assert.deepEqual(envelope, {
      bundle_type: 'QUEUE_BUNDLE',
      applicant_id: userId,
      action_sequence: 1,
      entities_types: [],
      update: false,
      draft_id: null,
      work_id: workId,
    })
    const bundle = JSON.parse(Buffer.from(content, 'base64').toString())
    assert.equal(bundle.type, 'bundle')
    assert.ok(bundle.objects.some(({ type }: { type: string }) => type === 'sighting'))
    await at.stop()
    assert.equal(await left(names().listen), 0)
  })

  test('a job in a draft or of a person is sent on in his name and into the draft', async () => {
    const at = start()
    await at.until('ready')
    await give(job(entity(attacker), { draft_id: 'draft-1', applicant_id: 'person-1' }))
    await at.until('done')
    const { draft_id, applicant_id } = JSON.parse(String((await pushed())[0]?.content))
    assert.deepEqual([draft_id, applicant_id], ['draft-1', 'person-1'])
  })

  test('a job that makes no sense is forgotten and said, and the next one is answered', async () => {
    const at = start()
    await at.until('ready')
    await give('{"internal":')
    await give(job(entity(attacker)))
    await at.until('done')
    await at.until('problem')
    assert.equal((await pushed()).length, 1)
  })

  test('a queue that vanishes ends the part; the next start has it made again', async () => {
    const at = start()
    await at.until('ready')
    await onBroker(rabbit, async (model) => {
      const channel = await model.createChannel()
      await channel.deleteQueue(names().listen)
    })
    const problem = await at.ended
    assert.match(problem?.message ?? '', /is gone/)
    assert.ok(problem?.remedy)
    const again = start()
    await again.until('ready')
    await give(job(entity(attacker)))
    await again.until('done')
    assert.equal((await pushed()).length, 1)
  })

  test('a queue that is missing at the start is said, and never made by us', async () => {
    world.declare = async () => {}
    const problem = await start().ended
    assert.equal(problem?.code, 'not_found')
    await assert.rejects(left(names().listen), /404/)
  })

  test('a bundle that no queue takes is not lost: the job comes again after the next registration', async () => {
    const at = start()
    await at.until('ready')
    await onBroker(rabbit, async (model) => {
      const channel = await model.createChannel()
      await channel.deleteQueue(names().push)
    })
    await give(job(entity(attacker)))
    assert.match((await at.ended)?.message ?? '', /no queue takes/)
    const again = start()
    await again.until('done')
    assert.equal((await pushed()).length, 1)
  })

  test('a broker that restarts in the middle of a job ends the part, and the job comes again', async () => {
    const asked = Promise.withResolvers<void>()
    const { knowledge } = cordon
    cordon.knowledge = (address) => {
      asked.resolve()
      return new Promise(() => address)
    }
    const at = start()
    await at.until('ready')
    await give(job(entity(attacker)))
    await asked.promise
    const restarted = rabbit.restart()
    assert.equal((await at.ended)?.code, 'service_unreachable')
    await restarted
    cordon.knowledge = knowledge
    const again = start()
    await again.until('done')
    assert.equal((await pushed()).length, 1)
  })

  test('over TLS the broker is believed with its authority, and only with that', async () => {
    const { port, ca } = rabbit.tls
    const over = { mq_port: port, mq_use_ssl: true }
    const at = serving({ url: platform.url, token: world.token, ca, ...over }, cordon)
    await at.until('ready')
    await at.stop()
    const without = serving({ url: platform.url, token: world.token, ...over }, cordon)
    assert.equal((await without.ended)?.code, 'untrusted_service')
  })

  test('a refused login is said as one', async () => {
    world.broker = { ...world.broker, pass: 'wrong' }
    const problem = await start().ended
    assert.equal(problem?.code, 'unauthenticated')
    assert.ok(!JSON.stringify(problem).includes('wrong'))
  })
})

describe('a broker that misbehaves', () => {
  /** AMQP 0-9-1 connection.start, as far as its first bytes. */
  const startFrame = Buffer.from([1, 0, 0, 0, 0, 1, 255, 0, 10, 0, 10, 0, 9])
  for (const [how, behave] of [
    ['closes at once', (socket: { destroy(): void }) => socket.destroy()],
    [
      'cuts a frame in the middle',
      (socket: { end(bytes: Buffer): void }) => socket.end(startFrame),
    ],
    [
      'speaks another protocol',
      (socket: { end(text: string): void }) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ],
  ] as const)
    test(`and ${how} is said to be unreachable`, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => behave(socket))
      })
      const port = await listening(server)
      await assert.rejects(openBroker(settings(port)), { code: 'service_unreachable' })
      server.close()
    })

  test('and is not there is said to be unreachable', async () => {
    // A port that was just closed may be somebody else's a moment later; this one is nobody's.
    await assert.rejects(openBroker(settings(1)), { code: 'service_unreachable' })
  })

  const settings = (port: number) => ({
    host: '127.0.0.1',
    port,
    vhost: '/',
    tls: false,
    user: 'guest',
    pass: 'guest',
    ca: undefined,
    listen: 'listen_x',
    push: { exchange: 'amqp.worker.exchange', routing: 'push_routing_x' },
  })
})

async function listening(server: Server): Promise<number> {
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
