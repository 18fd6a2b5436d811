/**
 * Conversations with a platform as they were captured from test/doubles/opencti.ts: the same questions, with the same
 * variables and in the same order, get the same answers. Nothing else is answered, so that it needs no schema.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { bodyOf, openWeb } from '../web-server.ts'
import type { Exchange } from './opencti.ts'

export const Capture = z.array(
  z.strictObject({
    operation: z.string(),
    variables: z.record(z.string(), z.unknown()),
    draft: z.string(),
    answer: z.unknown(),
  }),
)
export type Capture = z.output<typeof Capture>

export function captureOf(exchanges: readonly Exchange[]): Capture {
  return exchanges.map(({ query, variables, headers, answer }) => ({
    operation: operationIn(query),
    // As it stands in a file.
    variables: JSON.parse(JSON.stringify(variables)),
    draft: headers['opencti-draft-id'] ?? '',
    answer: JSON.parse(JSON.stringify(answer)),
  }))
}

export async function startReplay(capture: Capture) {
  const left = [...capture]
  const surprises: string[] = []
  const web = await openWeb(async (request, response) => {
    const text = await bodyOf(request)
    const { query, variables } = z
      .object({ query: z.string(), variables: z.record(z.string(), z.unknown()).default({}) })
      .parse(JSON.parse(text))
    const expected = left.shift()
    const operation = operationIn(query)
    const draft = String(request.headers['opencti-draft-id'] ?? '')
    const asked = { operation, variables, draft }
    if (!expected || !isDeepStrictEqual({ ...expected, answer: 0 }, { ...asked, answer: 0 }))
      surprises.push(`${JSON.stringify(asked)} instead of ${JSON.stringify(expected)}`)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(expected?.answer ?? { data: null }))
  })
  /** `surprises`: what was asked otherwise than it was captured. */
  return { ...web, surprises, left }
}

function operationIn(query: string): string {
  return /^\s*(?:query|mutation)\s+(\w+)/.exec(query)?.[1] ?? ''
}
