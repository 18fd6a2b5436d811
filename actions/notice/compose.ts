/** The notices of one batch: its lines with what is known of their decisions, and the count of the rest. */
import type { Logger } from 'pino'
import { decisionsById } from '../store/decisions.ts'
import type { JournalLine } from '../store/journal.ts'
import { linesAt } from '../store/notices.ts'
import type { Store } from '../store/store.ts'
import type { Batch } from './backlog.ts'
import { type Answers, describe, describeRest } from './describe.ts'

export type ComposeParts = {
  store: Store
  issuer: string
  log: Logger
  now(): number
  /** One-time links for a decision that waits. */
  answersFor(decision: string): Promise<Answers>
}

export async function compose(parts: ComposeParts, channel: string, batch: Batch) {
  const lines = (await linesAt(parts.store.read, batch.told)).filter(
    (line) => !isOwnFailure(line, channel),
  )
  const ids = lines.map(({ subject }) => subject).filter((subject) => subject.startsWith('d-'))
  const decisions = await decisionsById(parts.store.read, [...new Set(ids)])
  const notices = []
  for (const line of lines) {
    const decision = decisions.get(line.subject)
    const asks = asking.includes(line.action) && decision?.state === 'waiting'
    const answers = asks ? await answersTo(parts, line.subject) : []
    notices.push(describe(line, parts.issuer, decision, answers))
  }
  if (batch.more.size > 0) notices.push(describeRest(batch, parts.issuer, parts.now()))
  return notices
}

/** Whoever takes an answer back asks again. */
const asking = ['decision.wait', 'decision.undo', 'decision.halt']

/** Without links a person answers by the commands that the text names, which is better than not to hear of it. */
export async function answersTo(parts: ComposeParts, decision: string): Promise<Answers> {
  try {
    return await parts.answersFor(decision)
  } catch (error) {
    parts.log.warn({ decision, err: error }, 'a question is asked without links')
    return []
  }
}

/** That a channel cannot be told something is of no use to itself. */
function isOwnFailure({ action, after }: JournalLine, channel: string): boolean {
  if (action !== 'notice.dead' || after === null) return false
  const told: unknown = JSON.parse(after)
  return typeof told === 'object' && told !== null && Reflect.get(told, 'channel') === channel
}
