/** A line of the journal beside the decision that it is about, if it is about one that is still kept. */
import { setImmediate as turn } from 'node:timers/promises'
import { isDecisionId } from '#contract/action.ts'
import { type Decision, decisionsById } from '../store/decisions.ts'
import { type Hits, hitsOf } from '../store/hits.ts'
import { type JournalLine, readJournal } from '../store/journal.ts'
import type { Reader } from '../store/store.ts'

/** `decision` is as it stands when it is exported, not as it stood when the line was written. */
export type Entry = {
  line: JournalLine
  decision: Decision | undefined
  /** What nodes stopped by it until the export. */
  hits?: Hits | undefined
}

export type Wanted = {
  /** Only lines after this number. */
  after: number
  /** Epoch milliseconds; from `since` on, and before `until`. */
  since?: number | undefined
  until?: number | undefined
}

/** Lines read at once; a change of the policy holds two whole policies. */
const pageLines = 500

/**
 * Pages of entries in order, each read by a statement of its own when it is asked for: nothing is held open between two of
 * them, so that writers never wait. A page may be empty where no line is of the wanted time.
 */
export async function* readEntries(db: Reader, wanted: Wanted): AsyncGenerator<Entry[]> {
  let { after } = wanted
  for (;;) {
    const lines = await readJournal(db, { after, limit: pageLines })
    const fitting = lines.filter(
      ({ at }) => at >= (wanted.since ?? at) && at < (wanted.until ?? at + 1),
    )
    const subjects = fitting.map(({ subject }) => subject).filter(isDecisionId)
    const ids = [...new Set(subjects)]
    const decisions = await decisionsById(db, ids)
    const hits = await hitsOf(db, ids)
    yield fitting.map((line) => ({
      line,
      decision: decisions.get(line.subject),
      hits: hits.get(line.subject),
    }))
    const last = lines.at(-1)
    if (!last || lines.length < pageLines) return
    after = last.seq
    await turn()
  }
}
