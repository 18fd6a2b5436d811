/** What a marking says that is not one of those that everybody knows. */
import { z } from 'zod'
import { question } from '../client.ts'

type Marking = { definition_type: string | null; definition: string | null }

export const markingDefinition = question<{ id: string }, { markingDefinition: Marking | null }>(
  'query CordonMarking($id: String!) { markingDefinition(id: $id) { definition_type definition } }',
  z.object({
    markingDefinition: z
      .object({ definition_type: z.string().nullable(), definition: z.string().nullable() })
      .nullable(),
  }),
)
