/** How a list fares, for people. */
import { printTime } from '#contract/time.ts'
import type { SourceState } from '../source.ts'
import type { List } from './list.ts'
import { rangesIn } from './ranges.ts'

export function showList(list: List, now: number): SourceState {
  const { settings, inForce, problem, since, due } = list
  const { name, url, file, enforce } = settings
  const from = url === undefined ? (file ?? '') : withoutQuery(url)
  const next = url === undefined ? {} : { next: printTime(due) }
  const head = { name, kind: 'list', state: inForce ? 'ready' : 'silent' } as const
  const trouble = problem && { problem: problem.toJSON() }
  if (!inForce) return { ...head, ...trouble, since, details: { from, enforce, ...next } }
  const { read, kept } = inForce
  const made = read.made ?? dateOf(kept.marks.modified) ?? kept.confirmed
  return {
    ...head,
    ...trouble,
    age: Math.max(0, now - made),
    since,
    details: {
      from,
      enforce,
      ...next,
      entries: read.entries,
      ranges: rangesIn(read.ranges),
      unreadable: read.left.unreadable,
      left_out_wide: read.left.wide,
      left_out_bogon: read.left.bogon,
      left_out_protected: read.left.protected,
      ...(read.examples.length > 0 && { left_out: read.examples.join(', ') }),
      made: printTime(made),
      confirmed: printTime(kept.confirmed),
    },
  }
}

/** Some services take the customer's key there. */
function withoutQuery(url: string): string {
  const { origin, pathname, search } = new URL(url)
  return `${origin}${pathname}${search === '' ? '' : '?…'}`
}

function dateOf(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}
