/** Settings and alerts as the connector tests need them. */
import { readdirSync } from 'node:fs'
import type { Alert } from '#contract/alert.ts'
import type { Connector } from '#contract/connector.ts'

export const folder = new URL('../../connectors/', import.meta.url)
/** Later than every sample. */
export const now = Date.UTC(2027, 0, 1)

export const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

/** The connector of a folder, as the service finds it. */
export async function load(name: string): Promise<Connector> {
  const module: { connector: Connector } = await import(
    new URL(`${name}/connector.ts`, folder).href
  )
  return module.connector
}

/** What a sample's `.out.json` holds: everything but what depends on the clock or repeats the record. */
export function comparable({ received, original, original_cut, ...alert }: Alert) {
  return alert
}
