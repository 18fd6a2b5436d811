/** Asks the platform for all that alerts stand on, when the stream can no longer say what became of it. */
import { z } from 'zod'
import type { Held } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { type Client, type Question, question } from '../opencti/client/client.ts'
import { readIntel } from './object.ts'

/** Objects of one question; also the unit in which an answer is judged. */
export const atOnce = 100

/** When not one of so many is there, it is more likely that the user may not see them than that all are gone. */
const suspicious = 20

const Answer = z.object({
  stixCoreObjects: z.object({
    edges: z.array(
      z.object({ node: z.object({ standard_id: z.string(), toStix: z.string().nullable() }) }),
    ),
  }),
})

type Filters = {
  mode: 'and' | 'or'
  filters: { key: string[]; values: string[]; operator: 'eq'; mode: 'or' }[]
  filterGroups: []
}

/**
 * The filter `ids` finds an object by each id that it has or had: by its own, by the standard one and by those that were
 * replaced. It takes no other key beside it, and `or` only.
 */
export const listObjects: Question<
  { filters: Filters; first: number },
  z.output<typeof Answer>
> = question(
  `query CordonHeldObjects($filters: FilterGroup, $first: Int) {
       stixCoreObjects(filters: $filters, first: $first) {
         edges { node { standard_id toStix(version: stix_2_1) } }
       }
     }`,
  Answer,
)

const Stix = z.looseObject({
  id: z.string(),
  type: z.string(),
  extensions: z
    .record(z.string(), z.looseObject({ stix_ids: z.array(z.string()).optional() }))
    .optional(),
})
type Stix = z.output<typeof Stix>

/** Records as the stream would give them, in pieces: the present version of each object, or that it is gone. */
export async function* reconcile(
  client: Client,
  held: Held,
  id: string,
  stop: AbortSignal,
): AsyncGenerator<unknown[]> {
  for await (const piece of held())
    for (let i = 0; i < piece.length; i += atOnce) {
      if (stop.aborted) return
      yield await lookUp(client, piece.slice(i, i + atOnce), id, stop)
    }
}

/** The same for at most `atOnce` objects. */
export async function lookUp(
  client: Client,
  statements: readonly string[],
  id: string,
  signal: AbortSignal,
): Promise<unknown[]> {
  const { stixCoreObjects } = await client.ask(
    listObjects,
    { filters: anyOf(statements), first: statements.length * 2 },
    { signal },
  )
  const objects = stixCoreObjects.edges.flatMap(({ node }) => parseStix(node.toStix))
  if (objects.length === 0 && statements.length >= suspicious) return [hidden(statements.length)]
  const byId = new Map(objects.flatMap((object) => idsOf(object).map((name) => [name, object])))
  return statements.flatMap((statement) => {
    const object = byId.get(statement)
    const present = object && readIntel(object) ? [toRecord(id, 'update', object)] : []
    return object?.id === statement ? present : [gone(id, statement), ...present]
  })
}

function anyOf(statements: readonly string[]): Filters {
  const values = [...statements]
  return {
    mode: 'and',
    filters: [{ key: ['ids'], values, operator: 'eq', mode: 'or' }],
    filterGroups: [],
  }
}

function parseStix(text: string | null): Stix[] {
  try {
    const read = Stix.safeParse(JSON.parse(text ?? ''))
    return read.success ? [read.data] : []
  } catch {
    return []
  }
}

/** A change of its pattern gives an object another id; the earlier ones are kept. */
function idsOf({ id, extensions }: Stix): string[] {
  return [id, ...Object.values(extensions ?? {}).flatMap(({ stix_ids }) => stix_ids ?? [])]
}

function gone(id: string, statement: string): unknown {
  return toRecord(id, 'delete', { id: statement, type: statement.split('--')[0] ?? '' })
}

function toRecord(id: string, event: 'update' | 'delete', object: Stix): unknown {
  return { id, event, data: { type: event, origin: { referer: 'reconcile' }, data: object } }
}

function hidden(count: number): Problem {
  return new Problem(
    'forbidden',
    `the platform shows none of ${count} objects that it was asked for`,
    {
      remedy: "check what the token's user may see; blocks that stand on them stay until their end",
    },
  )
}
