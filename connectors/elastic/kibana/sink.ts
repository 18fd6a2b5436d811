/** Marks in Elastic what became of its alerts: their status, their tag, and comments on the cases that hold them. */
import { Problem, toProblem } from '#contract/problem.ts'
import type { Refusal, Result, ResultDecision, Sink } from '#contract/result.ts'
import { isWanted } from '../../wanted-actions.ts'
import type { Settings } from '../settings.ts'
import { findAlerts } from './alerts.ts'
import { checkKibana, type Kibana, openKibana } from './client.ts'
import { mark } from './mark.ts'
import { type Origin, originOf } from './origin.ts'
import { tell } from './tell.ts'
import type { Place, Refuse, Told } from './told.ts'

/** Results at once: each may be about a hundred alerts, which are looked for in one search. */
const most = 50

/** Throws `setting_invalid` for an address that would send the key in the clear, or without a key. */
export function alertsSink(settings: Settings): Sink {
  checkKibana(settings)
  let opened: Promise<Kibana> | undefined
  return {
    key: 'elastic/alerts',
    wants: (action) => isWanted(action, settings.alert_actions),
    most,
    withAlerts: true,
    take: async (results, signal) => {
      opened ??= openKibana(settings)
      const kibana = await opened.catch((error: unknown) => {
        opened = undefined
        throw error
      })
      const refusals = new Map<string, Problem>()
      for (const [space, placed] of bySpace(results, settings, refusals))
        await takeSpace({ kibana, space, settings, signal }, placed, refusals)
      return results.flatMap(({ id }): Refusal[] => {
        const problem = refusals.get(id)
        return problem ? [{ id, problem }] : []
      })
    },
  }
}

type Placed = { result: Result; decision: ResultDecision; origins: readonly Origin[] }

/** What is about none of our alerts is passed over: there is nothing to mark. */
function bySpace(
  results: readonly Result[],
  settings: Settings,
  refusals: Map<string, Problem>,
): Map<string, Placed[]> {
  const spaces = new Map<string, Placed[]>()
  for (const result of results) {
    const { decision } = result
    if (decision === undefined) continue
    const origins = originsOf(result, settings, refusals)
    for (const space of new Set(origins.map((origin) => origin.space))) {
      const own = origins.filter((origin) => origin.space === space)
      const placed = spaces.get(space) ?? []
      placed.push({ result, decision, origins: own })
      spaces.set(space, placed)
    }
  }
  return spaces
}

/** One alert may have several attackers, and is several of ours then. */
function originsOf(
  result: Result,
  { kibana_space }: Settings,
  refusals: Map<string, Problem>,
): Origin[] {
  const origins = new Map<string, Origin>()
  for (const alert of result.alerts)
    try {
      const origin = originOf(alert, kibana_space)
      origins.set(origin.uuid, origin)
    } catch (error) {
      refusals.set(result.id, toProblem(error))
    }
  return [...origins.values()]
}

async function takeSpace(
  place: Place,
  placed: readonly Placed[],
  refusals: Map<string, Problem>,
): Promise<void> {
  const { kibana, space, settings, signal } = place
  const uuids = [...new Set(placed.flatMap(({ origins }) => origins.map(({ uuid }) => uuid)))]
  const standing = await findAlerts(kibana, space, uuids, signal)
  const told: Told[] = placed.map(({ result, decision, origins }) => ({
    result,
    decision,
    alerts: origins.flatMap(({ uuid }) => standing.get(uuid) ?? []),
  }))
  for (const { result, alerts } of told)
    if (alerts.length === 0) refusals.set(result.id, gone(space))
  const refuse: Refuse = (ids, problem) => {
    for (const id of ids) refusals.set(id, problem)
  }
  await mark(place, told, refuse)
  if (settings.cases !== 'off') await tell(place, told, refuse)
}

function gone(space: string): Problem {
  return new Problem('not_found', `none of its alerts is in space ${space} of elastic any more`, {
    remedy: 'nothing to do when they were deleted; else check kibana_space of elastic',
  })
}
