/** The lists that settings say are to be enforced, as they are now. */
import { readTime } from '#contract/time.ts'
import type { Lists } from '../facts/lists/lists.ts'
import type { EnforcedList } from './feeds.ts'

/** The version counts the changes since the start: what nodes compare are the digests. */
export function enforcedLists(
  lists: Pick<Lists, 'settings' | 'ready' | 'sources' | 'entries' | 'onChange'>,
  now: () => number,
): () => EnforcedList[] {
  const changes = new Map<string, number>()
  lists.onChange((name) => changes.set(name, (changes.get(name) ?? 0) + 1))
  return () => {
    const confirmed = new Map(lists.sources().map(({ name, details }) => [name, details.confirmed]))
    return lists
      .settings()
      .filter(({ enforce }) => enforce)
      .map(({ name, audience, interval }) => ({
        name,
        audience,
        interval,
        content: lists.ready(name)
          ? {
              version: String(changes.get(name) ?? 0),
              confirmed: readTime(String(confirmed.get(name))) ?? now(),
              networks: () => lists.entries(name),
            }
          : undefined,
      }))
  }
}
