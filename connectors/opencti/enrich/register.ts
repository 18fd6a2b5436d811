/** What the platform is told of the enrichment connector. */
import type { Client } from '../client/client.ts'
import { register } from '../client/presence.ts'
import type { Registration } from '../client/questions/register.ts'
import type { Settings } from '../settings.ts'

export function registerEnrichment(
  client: Client,
  id: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<Registration> {
  const input = {
    id,
    name: settings.name,
    type: 'INTERNAL_ENRICHMENT',
    scope: settings.scope,
    auto: settings.auto,
    auto_update: false,
    enrichment_resolution: 'none',
    only_contextual: false,
    playbook_compatible: settings.playbooks,
    listen_callback_uri: settings.listen === 'api' ? settings.callback_uri : null,
  } as const
  return register(client, input, signal)
}
