/** Hands a STIX bundle to the platform's workers without a message broker; up to 50 MB. */
import { z } from 'zod'
import { question } from '../client.ts'

/** `bundle` is JSON as text. Without `work_id` the platform makes a work of its own. */
export const pushBundle = question<
  { connectorId: string; bundle: string; work_id?: string },
  { stixBundlePush: boolean | null }
>(
  `mutation CordonPushBundle($connectorId: String!, $bundle: String!, $work_id: String) {
  stixBundlePush(connectorId: $connectorId, bundle: $bundle, work_id: $work_id)
}`,
  z.object({ stixBundlePush: z.boolean().nullable() }),
)
