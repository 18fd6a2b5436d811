/** Says that a connector is alive, which the platform wants to hear within five minutes, and keeps its state there. */
import { z } from 'zod'
import { question } from '../client.ts'

export type ConnectorInfo = {
  run_and_terminate: boolean
  buffering: boolean
  queue_threshold: number
  queue_messages_size: number
}

export const idle: ConnectorInfo = {
  run_and_terminate: false,
  buffering: false,
  queue_threshold: 500,
  queue_messages_size: 0,
}

/** `state` is JSON as text. An empty text in the answer: somebody reset it, so it has to be dropped here too. */
export const ping = question<
  { id: string; state: string; connectorInfo: ConnectorInfo },
  { pingConnector: { id: string; connector_state?: string | null | undefined } | null }
>(
  `mutation CordonPing($id: ID!, $state: String, $connectorInfo: ConnectorInfoInput) {
  pingConnector(id: $id, state: $state, connectorInfo: $connectorInfo) { id connector_state }
}`,
  z.object({
    pingConnector: z.object({ id: z.string(), connector_state: z.string().nullish() }).nullable(),
  }),
)
