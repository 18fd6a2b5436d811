/** One thing that is tried, as a finding. */
import type { Finding } from '#contract/connector.ts'
import { toProblem } from '#contract/problem.ts'

export async function tried(what: string, look: () => string | Promise<string>): Promise<Finding> {
  try {
    return { what, found: await look() }
  } catch (error) {
    return { what, problem: toProblem(error) }
  }
}
