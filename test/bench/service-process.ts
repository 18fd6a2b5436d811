/** The decision service in a process of its own, as the bench and the crash tests run it. Talks by IPC. */
import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { inviteNode } from '../../actions/flow/enrol.ts'
import { type GivenSections, readSections } from '../../actions/sections.ts'
import { startService } from '../../actions/service.ts'
import { ServiceSettings } from '../../actions/settings.ts'

export type ServiceOrder = {
  settings: Record<string, unknown>
  connectorSections: Record<string, Record<string, unknown>>
  invitations: number
  sections?: GivenSections
}
export type ServiceReady = { url: string; adminToken: string | undefined; invitations: string[] }

process.once('message', async (order: ServiceOrder) => {
  const settings = ServiceSettings.parse(order.settings)
  const service = await startService(settings, {
    log: pino({ level: settings.log_level }, pino.destination({ fd: 2, sync: true })),
    environment: {},
    connectorSections: order.connectorSections,
    now: Date.now,
    random: randomBytes,
    sections: readSections({}, order.sections),
  })
  const invitations: string[] = []
  for (let i = 0; i < order.invitations; i++) {
    const { token } = await inviteNode(service.flow, { groups: [], lifeMs: 600_000 }, 'bench')
    invitations.push(token)
  }
  const { url, adminToken } = service
  process.send?.({ url, adminToken, invitations } satisfies ServiceReady)
  process.once('SIGTERM', () => void service.stop().then(() => process.exit(0)))
})

// Whoever started this is gone: nothing is left behind.
process.once('disconnect', () => process.exit(1))
