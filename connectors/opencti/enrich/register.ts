/** Presence on the platform: registered at every start, and alive as long as it says so. */
import { setTimeout as pause } from 'node:timers/promises'
import { toProblem } from '#contract/problem.ts'
import type { Client } from '../client/client.ts'
import { idle, ping } from '../client/questions/ping.ts'
import { type Platform, probePlatform } from '../client/questions/probe.ts'
import { type Registration, registerOn } from '../client/questions/register.ts'
import type { Settings } from '../settings.ts'

const older: Platform = { version: undefined, inputs: new Set(), fields: new Set() }

export async function registerEnrichment(
  client: Client,
  id: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<Registration> {
  // A platform that cannot be probed is an older one; whether it can be reached shows with the next question.
  const platform = await probePlatform(client, signal).catch(() => older)
  const [question, variables] = registerOn(platform, {
    id,
    name: settings.name,
    type: 'INTERNAL_ENRICHMENT',
    scope: ['IPv4-Addr', 'IPv6-Addr'],
    auto: settings.auto,
    auto_update: false,
    enrichment_resolution: 'none',
    only_contextual: false,
    playbook_compatible: settings.playbooks,
    listen_callback_uri: settings.listen === 'api' ? settings.callback_uri : null,
  })
  const { registerConnector } = await client.ask(question, variables, { signal })
  return registerConnector
}

/** Until stopped. Rejects when the platform does not know the connector any more, or its token. */
export async function keepAlive(
  client: Client,
  id: string,
  everyMs: number,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await pause(everyMs, undefined, { signal: stop }).catch(() => {})
    if (stop.aborted) return
    try {
      const variables = { id, state: 'null', connectorInfo: idle }
      await client.ask(ping, variables, { signal: stop })
    } catch (error) {
      const { code } = toProblem(error)
      // It counts as alive for five minutes: one that is missed does no harm.
      if (code !== 'service_unreachable' && code !== 'rate_limited') throw error
    }
  }
}
