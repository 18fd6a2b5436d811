/** What one message of several notices is called, and by what a repeat of it is recognised. */
import { createHash } from 'node:crypto'
import type { Notice } from '#contract/notice.ts'
import { printable } from '#contract/printable.ts'

/** The same for the same notices, at every try. */
export function messageId(notices: readonly Notice[]): string {
  const ids = JSON.stringify(notices.map(({ id }) => id))
  return createHash('sha256').update(ids).digest('hex').slice(0, 40)
}

export function messageTitle(notices: readonly Notice[]): string {
  const [first] = notices
  if (!first) return 'Cordon'
  const rest = notices.slice(1).reduce((sum, notice) => sum + countOf(notice), 0)
  return rest === 0 ? first.title : printable(`${first.title} (and ${rest} more)`, 250)
}

/** The first ones in full, and the last one where it only counts the rest; what lies between by its title. */
export function shorten(
  notices: readonly Notice[],
  most: number,
): { full: Notice[]; titles: string[] } {
  const counted = notices.filter(isCount)
  const told = notices.filter((notice) => !isCount(notice))
  return {
    full: told.slice(0, most),
    titles: [...told.slice(most), ...counted].map(({ title }) => title),
  }
}

/** `notice.more` stands for as many as its details say. */
function countOf({ event, details }: Notice): number {
  const { count } = details
  return event === 'notice.more' && typeof count === 'number' ? count : 1
}

function isCount({ event }: Notice): boolean {
  return event === 'notice.more'
}
