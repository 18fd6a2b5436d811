/** Presence on the platform: a connector registers at every start, and is alive as long as it says so. */
import { setTimeout as pause } from 'node:timers/promises'
import { toProblem } from '#contract/problem.ts'
import type { Client } from './client.ts'
import { idle, ping } from './questions/ping.ts'
import { type Platform, probePlatform } from './questions/probe.ts'
import { type RegisterInput, type Registration, registerOn } from './questions/register.ts'

/** The platform takes one that was silent for five minutes for gone. */
export const pingEveryMs = 40_000

const older: Platform = { version: undefined, inputs: new Set(), fields: new Set() }

/** Throws what is wrong with the platform, the token or its rights. */
export async function register(
  client: Client,
  input: RegisterInput,
  signal: AbortSignal,
): Promise<Registration> {
  // A platform that cannot be probed is an older one; whether it can be reached shows with the next question.
  const platform = await probePlatform(client, signal).catch(() => older)
  const [question, variables] = registerOn(platform, input)
  const { registerConnector } = await client.ask(question, variables, { signal })
  return registerConnector
}

type Alive = {
  id: string
  everyMs: number
  /** What the platform keeps of its state, as text; `null` for none. */
  state?(): string
  /** What the platform keeps now, and what it was given: an empty text for one that was not means a reset there. */
  heard?(state: string | null | undefined, given: string): void
}

/** Until stopped. Rejects when the platform does not know the connector any more, or its token. */
export async function keepAlive(
  client: Client,
  { id, everyMs, state = () => 'null', heard }: Alive,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await pause(everyMs, undefined, { signal: stop }).catch(() => {})
    if (stop.aborted) return
    try {
      const given = state()
      const variables = { id, state: given, connectorInfo: idle }
      const { pingConnector } = await client.ask(ping, variables, { signal: stop })
      heard?.(pingConnector?.connector_state, given)
    } catch (error) {
      const { code } = toProblem(error)
      // One that is missed does no harm.
      if (code !== 'service_unreachable' && code !== 'rate_limited') throw error
    }
  }
}
