/** Tries what Kibana has to allow, without changing anything there: one finding for each. */
import { z } from 'zod'
import type { Finding } from '#contract/connector.ts'
import { toProblem } from '#contract/problem.ts'
import { findAlerts, setStatus, setTags } from './kibana/alerts.ts'
import { readCases } from './kibana/cases.ts'
import { type Kibana, openKibana } from './kibana/client.ts'
import type { Settings } from './settings.ts'
import { found, readAs } from './try-cluster.ts'

const Status = z.object({
  version: z.object({ number: z.string() }),
  status: z.object({ overall: z.object({ level: z.string() }) }),
})

/** No alert has it, so that a change of it changes nothing; a key that may not change any is refused all the same. */
const nobody = ['cordon-tries-this']

/** Never throws. What cannot work before something else does is left out until that does. */
export async function tryKibana(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  const spaces = settings.spaces.filter((space) => !space.includes(':'))
  try {
    const kibana = await openKibana(settings)
    const findings: Finding[] = [{ what: 'kibana', found: await versionOf(kibana, signal) }]
    for (const space of new Set([...spaces, settings.kibana_space])) {
      const changing = tryChanging(kibana, space, settings, signal)
      findings.push(await found(`status and tags in space ${space}`, changing))
      if (settings.cases === 'off') continue
      const reading = readCases(kibana, space, signal)
      const said = 'can be read; whether they may be written shows with the first comment'
      findings.push(
        await found(
          `cases in space ${space}`,
          reading.then(() => said),
        ),
      )
    }
    return findings
  } catch (error) {
    return [{ what: 'kibana', problem: toProblem(error) }]
  }
}

async function versionOf(kibana: Kibana, signal: AbortSignal): Promise<string> {
  const path = '/api/status'
  const right = 'any Kibana feature'
  const answer = await kibana.ask({ space: 'default', method: 'GET', path, right }, signal)
  const { version, status } = readAs(Status, answer)
  return `Kibana ${version.number} is ${status.overall.level}`
}

async function tryChanging(
  kibana: Kibana,
  space: string,
  { alert_tags }: Settings,
  signal: AbortSignal,
): Promise<string> {
  await findAlerts(kibana, space, nobody, signal)
  await setStatus(kibana, space, nobody, { status: 'acknowledged' }, signal)
  const tags = { add: ['cordon:blocked'], remove: [] }
  if (alert_tags) await setTags(kibana, space, nobody, tags, signal)
  return 'can be set'
}
