/** The life of one job as people see it on the platform: received, processed, failed, or thrown away meanwhile. */
import { z } from 'zod'
import { question } from '../client.ts'

const Edited = z.object({ workEdit: z.unknown() })
type Edited = z.output<typeof Edited>

export const workReceived = question<{ id: string; message: string }, Edited>(
  `mutation CordonWorkReceived($id: ID!, $message: String) {
  workEdit(id: $id) { toReceived(message: $message) }
}`,
  Edited,
)

export const workProcessed = question<{ id: string; message: string; inError: boolean }, Edited>(
  `mutation CordonWorkProcessed($id: ID!, $message: String, $inError: Boolean) {
  workEdit(id: $id) { toProcessed(message: $message, inError: $inError) }
}`,
  Edited,
)

/** For work of our own, such as a batch of sightings. */
export const addWork = question<
  { connectorId: string; friendlyName: string },
  { workAdd: { id: string } | null }
>(
  `mutation CordonWorkAdd($connectorId: String!, $friendlyName: String) {
  workAdd(connectorId: $connectorId, friendlyName: $friendlyName) { id }
}`,
  z.object({ workAdd: z.object({ id: z.string() }).nullable() }),
)
