/** What a channel is given up for: kept to be sent again, and told to the other channels. */
import { createHash } from 'node:crypto'
import { base32 } from '#contract/id.ts'
import type { Notice } from '#contract/notice.ts'
import type { JournalEntry } from '../store/journal.ts'
import type { DeadLetter } from '../store/notices.ts'
import type { Batch } from './backlog.ts'

/** The same id for the same lines of a channel. */
export function letterOf(
  channel: string,
  { after, upto }: Batch,
  notices: readonly Notice[],
  end: { tries: number; problem: string; at: number },
): DeadLetter {
  const digest = createHash('sha256').update(`${channel}:${after}-${upto}`).digest()
  return {
    id: `l-${base32(digest.subarray(0, 10))}`,
    channel,
    created: end.at,
    tries: end.tries,
    problem: end.problem,
    // The links are secrets of one use, and new ones are made when it is sent again.
    notices: notices.map((notice) => ({ ...notice, answers: [] })),
  }
}

export function deadLine(
  { id, channel, tries, problem, notices }: DeadLetter,
  at: number,
): JournalEntry {
  const after = { channel, tries, problem, notices: notices.length }
  return { at, actor: 'service', action: 'notice.dead', subject: id, after }
}

export function resentLine(letter: DeadLetter, actor: string, at: number): JournalEntry {
  const { id: subject, channel } = letter
  return { at, actor, action: 'notice.resend', subject, after: { channel } }
}
