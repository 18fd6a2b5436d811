/** A line of the journal as a notice: in words for a person at night, and as data. Pure. */
import type { Notice } from '#contract/notice.ts'
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'
import type { JournalLine } from '../store/journal.ts'
import { type Batch, sum } from './backlog.ts'
import { urgencyOf } from './events.ts'
import { tellDecision, tellReceipt } from './tell-decision.ts'
import {
  tellAdministration,
  tellAnything,
  tellConnector,
  tellNode,
  tellSource,
} from './tell-rest.ts'
import { command, type Fields, type Told } from './told.ts'

const longestTitle = 200
const longestLine = 500
const longestText = 4_000
/** Characters of `details`; a policy of both sides is larger, and is read elsewhere. */
const largestDetails = 16_384

export type Answers = Notice['answers']

/** `issuer` tells services apart whose notices meet in one place. */
export function describe(
  line: JournalLine,
  issuer: string,
  decision?: Decision,
  answers: Answers = [],
): Notice {
  const { at, actor, action, subject } = line
  const told: Told = {
    ...{ at, actor, action, subject, decision },
    before: fieldsOf(line.before),
    after: fieldsOf(line.after),
  }
  const words =
    tellDecision(told) ??
    tellReceipt(told) ??
    tellNode(told) ??
    tellSource(told) ??
    tellConnector(told) ??
    tellAdministration(told) ??
    tellAnything(told)
  return {
    version: 1,
    id: `${issuer}:journal:${line.seq}`,
    event: action,
    urgency: urgencyOf(action),
    at: printTime(at),
    actor: printable(actor),
    subject: printable(subject),
    title: printable(words.title, longestTitle),
    text: textOf(words.lines),
    answers,
    details: detailsOf(line),
  }
}

/** What stands for the lines of a batch that are only counted. */
export function describeRest(batch: Batch, issuer: string, at: number): Notice {
  const count = sum(batch.more)
  const from = batch.told.at(-1) ?? batch.after
  const events = Object.fromEntries(batch.more)
  return {
    version: 1,
    id: `${issuer}:journal:${from}-${batch.upto}`,
    event: 'notice.more',
    urgency: 'normal',
    at: printTime(at),
    actor: 'service',
    subject: 'journal',
    title: `and ${count} more`,
    text: textOf([
      ...[...batch.more].map(([event, times]) => `${times} ${event}`),
      `See: ${command(`journal list --after ${from}`)}`,
    ]),
    answers: [],
    details: { count, events, after: from, upto: batch.upto },
  }
}

/** What an administrator sends to see whether a channel works. */
export function describeTest(issuer: string, at: number, mark: string): Notice {
  return {
    version: 1,
    id: `${issuer}:test:${mark}`,
    event: 'notice.test',
    urgency: 'low',
    at: printTime(at),
    actor: 'service',
    subject: 'notice',
    title: 'A test of this channel',
    text: 'Notices of Cordon arrive here. Nothing has happened and nothing is to be done.',
    answers: [],
    details: {},
  }
}

function textOf(lines: readonly string[]): string {
  const shown = lines.map((line) => printable(line, longestLine)).join('\n')
  return shown.length > longestText ? `${shown.slice(0, longestText - 1)}…` : shown
}

function detailsOf({ before, after }: JournalLine): Notice['details'] {
  if ((before?.length ?? 0) + (after?.length ?? 0) > largestDetails) return { cut: true }
  return {
    ...(before !== null && { before: JSON.parse(before) }),
    ...(after !== null && { after: JSON.parse(after) }),
  }
}

function fieldsOf(side: string | null): Fields {
  if (side === null) return {}
  const value: unknown = JSON.parse(side)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? { ...value }
    : { value }
}
