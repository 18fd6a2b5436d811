/** `cordon review approve|decline|ignore`: one question, several, or all that have something in common. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { answer } from './answer.ts'
import { DecisionAnswer } from './answers.ts'
import { openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { approveQuestion, declineDecision } from './decision.ts'
import { printColumns } from './paint.ts'

const Bulk = z.looseObject({
  message: z.string(),
  more: z.int(),
  items: z.array(
    z.looseObject({
      id: z.string(),
      status: z.string(),
      decision: DecisionAnswer.optional(),
      problem: z.looseObject({ detail: z.string() }).optional(),
    }),
  ),
})
type Bulk = z.infer<typeof Bulk>

export const approveReview: Handler = (asked, io) => {
  const audience = asked.options('audience')
  const terms = { for: asked.option('for'), ...(audience.length > 0 && { audience }) }
  return answerThem(asked, io, 'approve', terms, approveQuestion)
}
export const declineReview: Handler = (asked, io) =>
  answerThem(asked, io, 'decline', {}, declineDecision)
export const ignoreReview: Handler = (asked, io) =>
  answerThem(asked, io, 'ignore', { for: asked.required('for'), what: asked.option('what') })

/** `one` answers a single question with more to tell, such as what the nodes say. */
async function answerThem(
  asked: Asked,
  io: Io,
  verb: string,
  terms: object,
  one?: Handler,
): Promise<number> {
  const ids = asked.words('id')
  const filter = filterOf(asked)
  if (ids.length > 0 === (filter !== undefined)) throw whichOnes(verb)
  const [only, ...others] = ids
  if (only !== undefined && others.length === 0 && one)
    return one({ ...asked, argument: () => only }, io)
  const preview = filter !== undefined && !asked.flag('yes')
  const body = { do: verb, ...terms, reason: asked.required('reason'), preview }
  const which = filter ? { filter } : { ids }
  const done = await openClient(io.environment).post('/v1/review/bulk', { ...body, ...which }, Bulk)
  answer(asked, io, done, () => printItems(done, io))
  if (done.more > 0) io.err(`note: ${done.more} more are found; say it again for those\n`)
  if (preview && done.items.length > 0) io.err('hint: nothing was done; add --yes to do it\n')
  return preview || done.items.some(({ status }) => status !== 'done') ? 3 : 0
}

function filterOf(asked: Asked): object | undefined {
  const all = asked.flag('all')
  const [rule, target] = [asked.option('rule'), asked.option('target')]
  const older = asked.option('older-than')
  if (!all && rule === undefined && target === undefined && older === undefined) return undefined
  return { rule, target, older_than: older, ...(all && { all }) }
}

function printItems({ items, message }: Bulk, io: Io): string {
  if (items.length === 0) return `${printable(message)}\n`
  const rows = items.map(({ id, status, decision, problem }) => [
    id,
    status,
    decision?.target ?? '-',
    problem?.detail ?? decision?.message ?? '',
  ])
  const table = printColumns(io, ['ID', 'RESULT', 'TARGET', 'DETAIL'], rows)
  return `${table}${printable(message)}\n`
}

function whichOnes(verb: string): Problem {
  return new Problem('usage', `review ${verb}: name ids, or a filter, one of them`, {
    remedy: `such as: cordon review ${verb} d-4x7k2m9qz1hb0wfa, or --rule, --target, --older-than, --all`,
  })
}
