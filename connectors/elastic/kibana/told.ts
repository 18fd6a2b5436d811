/** Results beside the alerts that they are about, as these stand in one space of Kibana. */
import { Problem } from '#contract/problem.ts'
import type { Result, ResultDecision } from '#contract/result.ts'
import type { Settings } from '../settings.ts'
import type { Standing } from './alerts.ts'
import type { Kibana } from './client.ts'

export type Place = { kibana: Kibana; space: string; settings: Settings; signal: AbortSignal }

/** A result beside those of its alerts that lie in the space. */
export type Told = { result: Result; decision: ResultDecision; alerts: readonly Standing[] }

/** Says that these results can never be told. */
export type Refuse = (ids: readonly string[], problem: Problem) => void

/** What Kibana refuses as wrong can never be done; for all else the batch is tried again. */
export async function orRefuse(
  ids: readonly string[],
  refuse: Refuse,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'invalid_input') throw error
    refuse(ids, error)
  }
}
