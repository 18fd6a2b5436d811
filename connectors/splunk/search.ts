/** What is run: saved searches by their names, and one of our own. */
import type { Settings } from './settings.ts'

/** `rule`: what the alerts of it name as their rule. */
export type Search = { key: string; rule: string; spl: string }

export function searchesOf({ saved_searches, search, search_name }: Settings): Search[] {
  const saved = saved_searches.map((name) => ({
    key: `saved:${name}`,
    rule: name,
    spl: `| savedsearch "${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  }))
  if (search === undefined) return saved
  return [...saved, { key: 'search', rule: search_name, spl: withCommand(search) }]
}

/** The REST interface wants the command that the search bar adds by itself. */
function withCommand(search: string): string {
  return /^\s*(\||search\s)/i.test(search) ? search : `search ${search}`
}
