/** The stream connector as the platform shows it: registered, alive, with the place that it has reached as its state. */
import type { Server } from '#contract/connector.ts'
import { openClient } from '../opencti/client/client.ts'
import { readPlatform } from '../opencti/client/platform-settings.ts'
import { keepAlive, pingEveryMs, register } from '../opencti/client/presence.ts'
import { readPlace } from './place.ts'
import type { Settings } from './settings.ts'
import { type Standing, standingOf } from './standing.ts'

/** Nothing without the id of a connector: the stream is followed all the same. */
export function servePresence(settings: Settings, everyMs = pingEveryMs): Server[] {
  const { id, name } = settings
  if (id === undefined) return []
  const standing = standingOf(settings)
  const input = {
    id,
    name,
    type: 'STREAM',
    scope: ['indicator'],
    auto: false,
    auto_update: false,
    enrichment_resolution: 'none',
    only_contextual: false,
    playbook_compatible: false,
    listen_callback_uri: null,
  } as const
  const heard = (state: string | null | undefined, given?: string) => {
    // One that has never told of its state has none, which is no reset.
    if (state === '' && given !== '' && standing.kept !== undefined) standing.reset = true
  }
  return [
    {
      key: 'presence',
      run: async (stop, report) => {
        const client = openClient(readPlatform('opencti-stream', settings))
        const registration = await register(client, input, stop)
        heard(registration.connector_state)
        report('ready')
        await keepAlive(client, { id, everyMs, state: () => stateOf(standing), heard }, stop)
      },
    },
  ]
}

/** In the words of the platform's own connectors. A reset stays one there until the stream was begun anew. */
function stateOf({ kept, reset }: Standing): string {
  if (reset) return ''
  if (kept === undefined) return 'null'
  const { id, recover } = readPlace(kept)
  return JSON.stringify({
    start_from: id,
    ...(recover !== undefined && { recover_until: recover }),
  })
}
