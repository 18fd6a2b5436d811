/** One answer to many questions: each by itself, so that a broken one spoils nothing. */
import { type Problem, toProblem } from '#contract/problem.ts'
import type { Ordered } from './revise.ts'

export type Answered =
  | { id: string; status: 'done' | 'pending'; decision: Ordered }
  | { id: string; status: 'refused'; problem: Problem }

/** So many are asked at once, and share a commit. */
const together = 50

/** In the order of the ids; an id that comes twice is answered once. */
export async function answerMany(
  ids: readonly string[],
  answer: (id: string) => Promise<Ordered>,
): Promise<Answered[]> {
  const wanted = [...new Set(ids)]
  const answered: Answered[] = []
  for (let at = 0; at < wanted.length; at += together)
    answered.push(
      ...(await Promise.all(wanted.slice(at, at + together).map((id) => answerOne(id, answer)))),
    )
  return answered
}

async function answerOne(id: string, answer: (id: string) => Promise<Ordered>): Promise<Answered> {
  try {
    const decision = await answer(id)
    return { id, status: decision.pending ? 'pending' : 'done', decision }
  } catch (error) {
    return { id, status: 'refused', problem: toProblem(error) }
  }
}
