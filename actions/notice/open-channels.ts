/** The connectors that take notices out, opened with the settings that they run with. */
import type { Publisher } from '#contract/connector.ts'
import type { RunningConnector } from '../flow/receive.ts'

/** By name. Throws `setting_invalid` for a channel that lacks what it needs. */
export function openChannels(
  connectors: ReadonlyMap<string, RunningConnector>,
): Map<string, Publisher> {
  const channels = new Map<string, Publisher>()
  for (const [name, { connector, settings }] of connectors) {
    const publisher = connector.publisher?.(settings)
    if (publisher) channels.set(name, publisher)
  }
  return channels
}
