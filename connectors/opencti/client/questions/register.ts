/** Registers a connector, anew at every start: the answer says where its jobs come from and where its results go. */
import { z } from 'zod'
import { question } from '../client.ts'
import type { Platform } from './probe.ts'

const Registration = z.object({
  id: z.string(),
  connector_state: z.string().nullish(),
  connector_user_id: z.string().nullish(),
  /** JSON; only of newer platforms. */
  jwks: z.string().nullish(),
  config: z.object({
    connection: z.object({
      host: z.string(),
      vhost: z.string(),
      use_ssl: z.boolean(),
      port: z.int(),
      user: z.string(),
      pass: z.string(),
    }),
    listen: z.string(),
    push: z.string(),
    push_routing: z.string(),
    push_exchange: z.string(),
  }),
})
export type Registration = z.output<typeof Registration>

export type RegisterInput = {
  id: string
  name: string
  type: 'INTERNAL_ENRICHMENT' | 'STREAM'
  scope: readonly string[]
  auto: boolean
  auto_update: boolean
  enrichment_resolution: 'none' | 'stix_bundle'
  only_contextual: boolean
  playbook_compatible: boolean
  listen_callback_uri: string | null
}

/** Newer platforms are also told who runs here, and say with which keys they sign what they call back with. */
export function registerOn(platform: Platform, input: RegisterInput) {
  const newer = {
    ...(platform.inputs.has('version') && { version: '0.1.0' }),
    ...(platform.inputs.has('slug') && { slug: 'cordon' }),
  }
  return [
    platform.fields.has('jwks') ? registerForKeys : register,
    { input: { ...input, ...newer } },
  ] as const
}

const register = document('')
const registerForKeys = document('jwks')

function document(more: '' | 'jwks') {
  return question<{ input: RegisterInput }, { registerConnector: Registration }>(
    `mutation CordonRegister($input: RegisterConnectorInput) {
  registerConnector(input: $input) {
    id
    connector_state
    connector_user_id
    ${more}
    config {
      connection { host vhost use_ssl port user pass }
      listen
      push
      push_routing
      push_exchange
    }
  }
}`,
    z.object({ registerConnector: Registration }),
  )
}
