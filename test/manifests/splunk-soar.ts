/** The app for Splunk SOAR brings its own copy of the client of the API. */
import { readFileSync } from 'node:fs'

const manifests = new URL('../../manifests/', import.meta.url)
const client = 'shuffle/app/cordon/1.0.0/src/cordon_client.py'

/** Contents by path from the root of the repository. */
export function splunkSoarFiles(): Map<string, string> {
  const text = readFileSync(new URL(client, manifests), 'utf8')
  return new Map([['manifests/splunk-soar/cordon_soar/cordon_client.py', text]])
}
