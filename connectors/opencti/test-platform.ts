/** Tries the platform without changing it: reach, token, rights, and what it knows of the enrichment connector. */
import { z } from 'zod'
import type { Finding } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { findInOrder, type Step } from '../find.ts'
import { type Place, reach } from '../reach.ts'
import { question } from './client/client.ts'
import { readPlatform } from './client/platform-settings.ts'
import type { Settings } from './settings.ts'
import { type Need, rightsStep, type Tried, tried, userSteps } from './test-user.ts'

const Connection = z.object({ host: z.string(), port: z.int(), use_ssl: z.boolean() })
type Connection = z.output<typeof Connection>

const Registered = z.object({
  connector: z
    .object({
      active: z.boolean().nullish(),
      config: z.object({ connection: Connection }).nullish(),
    })
    .nullable(),
})

/** The broker's host comes with a registration, and registering is a change: one that was made is looked at. */
const registered = question<{ id: string }, z.output<typeof Registered>>(
  `query CordonRegistered($id: String!) {
  connector(id: $id) { active config { connection { host port use_ssl } } }
}`,
  Registered,
)

const lookUp: readonly Need[] = [['KNOWLEDGE', 'to look addresses up']]
const enrich: readonly Need[] = [
  ['KNOWLEDGE_KNUPDATE', 'to write what was seen'],
  ['CONNECTORAPI', 'to be a connector'],
]

export function testPlatform(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  let opened: Tried | undefined
  const open = () => {
    opened ??= tried(readPlatform('opencti', settings), signal)
    return opened
  }
  const { id } = settings
  if (id === undefined)
    return findInOrder([...userSteps(open), rightsStep(open, lookUp, false), notEnriching])
  return findInOrder([
    ...userSteps(open),
    rightsStep(open, [...lookUp, ...enrich], true),
    ...enrichmentSteps(settings, id, open),
  ])
}

const notEnriching: Step = {
  what: 'enrichment',
  find: () => 'is off: it is on with the id of a connector in the settings',
}

function enrichmentSteps(settings: Settings, id: string, open: () => Tried): Step[] {
  const ask = async () => {
    const { client, signal } = open()
    const { connector } = await client.ask(registered, { id }, { signal })
    if (connector) return connector
    throw new Problem('not_found', `the platform knows no connector ${id}`, {
      remedy: 'the service registers it at its start: see "cordon connector list" for why not',
    })
  }
  const registration: Step = {
    what: 'registration',
    find: async () => {
      const { active } = await ask()
      if (active === true) return 'registered, and alive for the platform'
      throw new Problem('conflict', 'registered, but the platform has not heard of it lately', {
        remedy: 'see whether the service runs, and "cordon connector list" for what keeps it',
      })
    },
  }
  if (settings.send === 'api' && settings.listen === 'api') return [registration]
  const broker: Step = {
    what: 'message broker',
    find: async () => {
      const place = brokerPlace(settings, (await ask()).config?.connection)
      const found = await reach(place, settings.timeout, open().signal)
      return `${place.host}:${place.port} ${found}; nobody logged in`
    },
  }
  return [registration, broker]
}

function brokerPlace(settings: Settings, told: Connection | undefined): Place {
  const host = settings.mq_host ?? told?.host
  const port = settings.mq_port ?? told?.port
  if (host !== undefined && port !== undefined)
    return { host, port, tls: settings.mq_use_ssl ?? told?.use_ssl ?? false, ca: settings.ca }
  throw new Problem('forbidden', 'the platform does not say where its message broker is', {
    remedy: "put the token's user in the group Connectors, or set mq_host and mq_port",
  })
}
