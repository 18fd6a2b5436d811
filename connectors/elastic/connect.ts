/** How the cluster and Kibana are reached and as whom: never in the clear, and only what proves who it is. */
import type { Client, ClientOptions } from '@elastic/elasticsearch'
import { isLoopback } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { speakingOlder } from './older.ts'
import { pinnedAuthority } from './pinned-authority.ts'
import type { Settings } from './settings.ts'

/**
 * The vendor's client, loaded here: a quarter of a second and 40 MB that only those pay who use it.
 * Throws `setting_invalid` for what would send the key in the clear, or is contradictory.
 */
export async function connect(settings: Settings): Promise<Client> {
  const options = await clientOptions(settings)
  const { Client, SniffingTransport } = await import('@elastic/elasticsearch')
  return new Client({ ...options, Transport: speakingOlder(SniffingTransport) })
}

/** Throws as `connect` does, before anything is sent. */
export function checkCluster(settings: Settings): void {
  for (const node of settings.nodes) checkAddress(node, settings)
  authOf(settings)
}

async function clientOptions(settings: Settings): Promise<ClientOptions> {
  const { nodes, timeout, ca, ca_fingerprint: fingerprint } = settings
  checkCluster(settings)
  const auth = authOf(settings)
  const authority = await authorityOf(nodes, { ca, fingerprint, timeoutMs: timeout })
  return {
    nodes: [...nodes],
    auth,
    requestTimeout: timeout,
    // Another node is tried at once; everything else is tried again by who follows.
    maxRetries: nodes.length - 1,
    ...(authority === undefined ? {} : { tls: { ca: authority } }),
  }
}

/** Throws `setting_invalid` for an address that holds a user, or would send the key in the clear. */
export function checkAddress(url: string, { allow_http }: Pick<Settings, 'allow_http'>): void {
  const { protocol, hostname, username } = new URL(url)
  if (username !== '') throw invalid('an address of elastic holds a user', 'use user and password')
  if (protocol !== 'https:' && !isLoopback(hostname) && !allow_http)
    throw invalid(
      'an address of elastic would send the key in the clear',
      'use https, or set CORDON_ELASTIC_ALLOW_HTTP=true where nobody else is on the wire',
    )
}

export type Trust = {
  /** PEM. */
  ca: string | undefined
  fingerprint: string | undefined
  timeoutMs: number
}

/** PEM of the authority to trust; undefined for the public ones. */
export async function authorityOf(
  urls: readonly string[],
  { ca, fingerprint, timeoutMs }: Trust,
): Promise<string | undefined> {
  const url = urls.find((one) => one.startsWith('https:'))
  if (ca !== undefined || fingerprint === undefined || url === undefined) return ca
  return pinnedAuthority(url, fingerprint, timeoutMs)
}

function authOf({ api_key, user, password }: Settings): NonNullable<ClientOptions['auth']> {
  if (api_key !== undefined && user === undefined) return { apiKey: api_key }
  if (api_key === undefined && user !== undefined && password !== undefined)
    return { username: user, password }
  throw invalid(
    'elastic needs an API key, or a user with a password',
    'set CORDON_ELASTIC_API_KEY_FILE, or CORDON_ELASTIC_USER and CORDON_ELASTIC_PASSWORD_FILE',
  )
}

function invalid(message: string, remedy: string): Problem {
  return new Problem('setting_invalid', message, { remedy })
}
