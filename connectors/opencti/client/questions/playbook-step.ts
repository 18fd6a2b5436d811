/** Gives a playbook back what it waits for: it hangs for ever when it gets no answer. */
import { z } from 'zod'
import { question } from '../client.ts'

/** Bundles are JSON as text; the unchanged one is an answer too. */
export type PlaybookStep = {
  execution_id: string
  event_id: string
  execution_start: string
  data_instance_id: string
  playbook_id: string
  previous_step_id: string
  step_id: string
  previous_bundle: string
  bundle: string
}

export const playbookStep = question<PlaybookStep, { playbookStepExecution: boolean | null }>(
  `mutation CordonPlaybookStep(
  $execution_id: ID!
  $event_id: ID!
  $execution_start: DateTime!
  $data_instance_id: ID!
  $playbook_id: ID!
  $previous_step_id: ID!
  $step_id: ID!
  $previous_bundle: String!
  $bundle: String!
) {
  playbookStepExecution(
    execution_id: $execution_id
    event_id: $event_id
    execution_start: $execution_start
    data_instance_id: $data_instance_id
    playbook_id: $playbook_id
    previous_step_id: $previous_step_id
    step_id: $step_id
    previous_bundle: $previous_bundle
    bundle: $bundle
  )
}`,
  z.object({ playbookStepExecution: z.boolean().nullable() }),
)
