/** Everything that the settings of Splunk name, tried without changing anything there. */
import type { Finding } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import type { Environment } from '#contract/settings.ts'
import type { Clock } from '../clock.ts'
import { tryCollector } from './hec/try-collector.ts'
import type { Settings } from './settings.ts'
import { trySearchHead } from './try-search-head.ts'

/** Of the script that blocked over SSH; its nine other names have their settings in splunk, virustotal and email. */
const unused = ['SSH_HOST', 'SSH_USER', 'SSH_PASSWORD']
const scriptOf = ['SPLUNK_HOST', 'SPLUNK_USER', 'SPLUNK_PASSWORD']

export async function tryOut(
  settings: Settings,
  clock: Clock,
  environment: Environment,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { host, hec_url } = settings
  const findings = [
    ...(host === undefined ? [] : await trySearchHead({ settings, clock, signal })),
    ...(hec_url === undefined ? [] : await tryCollector(settings, signal)),
  ]
  if (findings.length === 0)
    findings.push({
      what: 'splunk',
      found: 'nothing to try: it posts here itself; host is for searches, hec_url for results',
    })
  return [...findings, ...leftOver(environment)]
}

/** Whoever brings the environment of that script along would wait for blocks on that router in vain. */
function leftOver(environment: Environment): Finding[] {
  const isSet = (name: string) => (environment[name] ?? '') !== ''
  const found = unused.filter(isSet)
  if (found.length === 0 || !scriptOf.some(isSet)) return []
  const problem = new Problem('unsupported', `nothing logs in to machines: ${found} has no use`, {
    remedy:
      'run an agent on that machine (cordon node enrol), then take these names out of the environment',
  })
  return [{ what: found.join(', '), problem }]
}
