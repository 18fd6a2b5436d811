/** `cordon review …`: what waits, and the answers that are about one question. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer, queryOf } from './answer.ts'
import { AlertAnswer, DecisionAnswer } from './answers.ts'
import { openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { printAlerts, printDecisions, printOutcome } from './decision.ts'
import { paint, printAgo, printColumns, printFields, printWhen } from './paint.ts'

const Question = z.looseObject({
  decision: DecisionAnswer,
  question: z.string(),
  until: z.string(),
  otherwise: z.string(),
  needs_two: z.boolean(),
  first: z.looseObject({ actor: z.string(), reason: z.string(), at: z.string() }).nullable(),
  evidence: z.array(AlertAnswer),
  known: z.array(z.string()),
  standing: z.array(DecisionAnswer),
})
type Question = z.infer<typeof Question>

export const ProposalAnswer = z.looseObject({
  id: z.string(),
  summary: z.string(),
  state: z.string(),
  failing: z.array(z.string()),
  diff: z.string(),
  actor: z.string(),
  created: z.string(),
})
export type ProposalAnswer = z.infer<typeof ProposalAnswer>

export const listReview: Handler = async (asked, io) => {
  const query = queryOf({
    rule: asked.option('rule'),
    target: asked.option('target'),
    older_than: asked.option('older-than'),
    limit: asked.option('limit'),
  })
  const Many = z.looseObject({ waiting: z.int(), questions: z.array(Question) })
  const found = await openClient(io.environment).get(`/v1/review${query}`, Many)
  answer(asked, io, found, () => printQuestions(found.questions, io))
  const hidden = found.waiting - found.questions.length
  if (hidden > 0) io.err(`note: ${hidden} more wait; --limit shows more\n`)
  return 0
}

export const showReview: Handler = async (asked, io) => {
  const One = z.looseObject({ question: Question })
  const path = `/v1/review/${encodeURIComponent(asked.argument('id'))}`
  const { question } = await openClient(io.environment).get(path, One)
  answer(asked, io, question, () => printQuestion(question, io))
  return 0
}

export const alwaysReview: Handler = async (asked, io) => {
  const Proposed = z.looseObject({ proposal: ProposalAnswer })
  const more = { change: asked.option('change'), verdict: asked.option('verdict') }
  const done = await say(asked, io, 'always', more, Proposed)
  answer(asked, io, done, () => done.proposal.diff)
  tellProposal(done.proposal, io)
  io.err(`note: the question still waits; "review approve" answers it\n`)
  return 0
}

export const protectReview: Handler = async (asked, io) => {
  const Protected = z.looseObject({
    message: z.string(),
    lifted: z.array(DecisionAnswer),
    declined: z.array(DecisionAnswer),
    proposal: ProposalAnswer.nullable(),
  })
  const done = await say(asked, io, 'protect', {}, Protected)
  const touched = [...done.lifted, ...done.declined]
  answer(asked, io, done, () =>
    [`${printable(done.message)}\n`, ...touched.map((one) => printOutcome(one, io))].join(''),
  )
  if (done.proposal) tellProposal(done.proposal, io)
  return 0
}

export const undoReview: Handler = async (asked, io) => {
  const Undone = z.looseObject({ decision: DecisionAnswer, undone: z.string(), by: z.string() })
  const done = await say(asked, io, 'undo', {}, Undone)
  const what = printable(`${done.undone} of ${done.by} is taken back`)
  answer(asked, io, done, () => `${what}\n${printOutcome(done.decision, io)}`)
  return 0
}

/** What to do with a diff, and what has to be changed with it. */
export function tellProposal({ id, failing }: ProposalAnswer, io: Io): void {
  io.err(`note: proposed as ${id}; the policy is yours to change\n`)
  if (failing.length > 0)
    io.err(`note: change these tests of the policy too: ${printable(failing.join('; '), 1_000)}\n`)
  io.err(`hint: ${io.self} policy proposals ${id} > change.patch; git apply change.patch\n`)
}

function say<Answer>(
  asked: Asked,
  io: Io,
  verb: string,
  more: object,
  schema: z.ZodType<Answer>,
): Promise<Answer> {
  const path = `/v1/review/${encodeURIComponent(asked.argument('id'))}/${verb}`
  const body = { ...more, reason: asked.required('reason') }
  return openClient(io.environment).post(path, body, schema)
}

function printQuestions(questions: readonly Question[], io: Io): string {
  if (questions.length === 0) return 'nothing waits\n'
  const rows = questions.map(({ decision, until, needs_two, first }) => [
    decision.id,
    printAgo(decision.created, io.now()),
    printAgo(until, io.now()),
    decision.target ?? '-',
    decision.rule ?? `by ${decision.actor ?? 'hand'}`,
    String(decision.alerts),
    needs_two ? (first ? `a second person, after ${first.actor}` : 'two people') : 'a person',
  ])
  const headings = ['ID', 'ASKED', 'TIMES OUT', 'TARGET', 'RULE', 'ALERTS', 'WAITS FOR']
  return printColumns(io, headings, rows)
}

function printQuestion(question: Question, io: Io): string {
  const { decision, first, evidence, standing, known } = question
  const now = io.now()
  const title = (text: string) => `\n${paint(io, 'out', 'bold', text)}\n`
  const agreed = first && `${first.actor}, ${printWhen(first.at, now)}: ${first.reason}`
  return [
    printFields([
      ['question', question.question],
      ['decision', decision.id],
      ['asked', printWhen(decision.created, now)],
      ['by', decision.rule === null ? decision.actor : `rule ${decision.rule}`],
      ['note', decision.note],
      ['times out', printWhen(question.until, now)],
      ['then', question.otherwise],
      ['needs', question.needs_two ? 'two people' : ''],
      ['first', agreed],
    ]),
    title('why'),
    ...decision.because.map((sentence) => `  ${printable(sentence)}\n`),
    ...(evidence.length > 0
      ? [title(`alerts (${decision.alerts})`), printAlerts(evidence, io)]
      : []),
    ...(known.length > 0 ? [title('known')] : []),
    ...known.map(
      (sentence) => `  ${printable(sentence)}
`,
    ),
    ...(standing.length > 0 ? [title('blocked already'), printDecisions(standing, io)] : []),
    title('answer'),
    ...['approve', 'decline', 'ignore --for 7d', 'always', 'protect'].map((verb) => {
      const [word, ...rest] = verb.split(' ')
      return `  ${[io.self, 'review', word, decision.id, ...rest].join(' ')} --reason "..."\n`
    }),
  ].join('')
}
