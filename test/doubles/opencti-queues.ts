/** The queues of a connector as the platform declares them at each registration, on a real broker. */
import { type ChannelModel, connect } from 'amqplib'
import { queueNames, type World } from './opencti.ts'

export async function onBroker<T>(
  { port }: { port: number },
  use: (model: ChannelModel) => Promise<T>,
): Promise<T> {
  const login = { hostname: '127.0.0.1', port, username: 'guest', password: 'guest' }
  const model = await connect(login, { noDelay: true })
  model.on('error', () => {})
  try {
    return await use(model)
  } finally {
    await model.close()
  }
}

export async function declareQueues(
  broker: { port: number },
  world: Pick<World, 'prefix'>,
  id: string,
): Promise<void> {
  const names = queueNames(world, id)
  await onBroker(broker, async (model) => {
    const channel = await model.createChannel()
    const pairs = [
      [names.listen, names.listen_exchange, names.listen_routing],
      [names.push, names.push_exchange, names.push_routing],
    ] as const
    for (const [queue, exchange, routing] of pairs) {
      await channel.assertExchange(exchange, 'direct', { durable: true })
      await channel.assertQueue(queue, {
        durable: true,
        arguments: { name: 'Cordon', 'x-queue-type': 'classic', config: { id } },
      })
      await channel.bindQueue(queue, exchange, routing)
    }
    await channel.close()
  })
}
