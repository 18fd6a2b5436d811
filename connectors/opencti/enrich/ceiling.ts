/** Whether an object may be enriched at all: what is marked more strictly than the settings allow is not touched. */
import type { AskOptions, Client } from '../client/client.ts'
import { markingDefinition } from '../client/questions/marking.ts'
import { isStricter, readTlp, type Tlp, tlpOf } from '../stix/tlp.ts'

/** Undefined when it may; else why not. The strictest marking counts; an object without any is open. */
export async function aboveCeiling(
  client: Client,
  markings: readonly string[],
  ceiling: Tlp,
  options: AskOptions,
): Promise<string | undefined> {
  for (const id of markings) {
    const level = tlpOf(id) ?? (await ask(client, id, options))
    if (level === 'unknown') return 'it carries a TLP marking that is not known here'
    if (level !== undefined && isStricter(level, ceiling))
      return `it is marked ${level}, above the ceiling ${ceiling}`
  }
  return undefined
}

/** Markings of other kinds, such as a statement, are no matter of TLP. One that is not to be seen may be anything. */
async function ask(client: Client, id: string, options: AskOptions) {
  const { markingDefinition: marking } = await client.ask(markingDefinition, { id }, options)
  if (!marking) return 'unknown'
  const { definition_type, definition } = marking
  if (definition_type?.toUpperCase() !== 'TLP') return undefined
  return readTlp(definition ?? '') ?? 'unknown'
}
