/** Findings of a test, one after the other: what is wrong with one thing ends what depends on it. */
import type { Finding } from '#contract/connector.ts'
import { toProblem } from '#contract/problem.ts'

/** What has to work, and how it is found out; what it gives is shown, and throwing is how it fails. */
export type Step = { what: string; find(): Promise<string> | string }

/** In order, up to the first that fails. Never throws. */
export async function findInOrder(steps: readonly Step[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { what, find } of steps)
    try {
      findings.push({ what, found: await find() })
    } catch (error) {
      findings.push({ what, problem: toProblem(error) })
      break
    }
  return findings
}
