/**
 * The few answers that enrichment over a broker needs of a platform, by the name of the operation: where the vendor's
 * schema is not there to be executed. It checks nothing, so that the test runs against opencti.ts wherever it can.
 */
import { z } from 'zod'
import { bodyOf, openWeb, type WebServer } from '../web-server.ts'
import { queueNames, userId, type World } from './opencti.ts'

const Asked = z.object({
  query: z.string(),
  variables: z.looseObject({ input: z.looseObject({ id: z.string() }).optional() }).default({}),
})

export function startAnswers(world: World): Promise<WebServer> {
  return openWeb(async (request, response) => {
    const text = await bodyOf(request)
    const data = await answer(world, Asked.parse(JSON.parse(text)))
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
  })
}

async function answer(world: World, { query, variables }: z.output<typeof Asked>) {
  if (query.includes('CordonProbe'))
    return { about: { version: '6.9.17' }, input: null, connector: null }
  if (!query.includes('CordonRegister')) return { workEdit: {}, pingConnector: null }
  const id = variables.input?.id ?? ''
  await world.declare(id)
  const config = { connection: world.broker, ...queueNames(world, id) }
  return { registerConnector: { id, connector_state: null, connector_user_id: userId, config } }
}
