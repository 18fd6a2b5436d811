/** Tries a connector while it runs: its own test, what every connector can be asked, and how its parts fare now. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Finding, Lookup } from '#contract/connector.ts'
import { printDuration } from '#contract/duration.ts'
import { nearest, Problem, toProblem } from '#contract/problem.ts'
import { fetchAnswer } from '../facts/providers/fetch-answer.ts'
import { connectorHealth, type HealthLine, type HealthParts } from './connector-health.ts'
import type { RunningConnector } from './receive.ts'

/** Below the minute that the command line waits for an answer. */
const longestMs = 50_000

/** Set aside for documentation (RFC 5737): nobody has it, so nothing about anybody is told. */
const nobodys = '192.0.2.1'

/** Throws `not_found` for a connector that does not run; all else is a finding. */
export async function testConnector(
  parts: HealthParts,
  name: string,
  limitMs = longestMs,
): Promise<Finding[]> {
  const running = parts.connectors.get(name)
  if (!running) throw notRunning(name, [...parts.connectors.keys()])
  const own = await ownFindings(running, limitMs)
  const lines = (await connectorHealth(parts)).get(name) ?? []
  return [...own, ...lines.flatMap((line) => standing(name, line))]
}

async function ownFindings(running: RunningConnector, limitMs: number): Promise<Finding[]> {
  const { connector, settings } = running
  const ending = new AbortController()
  try {
    return await Promise.race([
      connector.test
        ? connector.test(settings, ending.signal)
        : tryLookup(connector.name, connector.lookup?.(settings), ending.signal),
      late(limitMs, ending.signal),
    ])
  } catch (error) {
    return [{ what: 'test', problem: toProblem(error) }]
  } finally {
    ending.abort()
  }
}

async function late(limitMs: number, over: AbortSignal): Promise<never> {
  await pause(limitMs, undefined, { signal: over })
  throw new Problem('service_unreachable', `the test took longer than ${printDuration(limitMs)}`, {
    remedy: 'see whether a firewall drops what goes from this machine to what the settings name',
  })
}

async function tryLookup(
  name: string,
  lookup: Lookup | undefined,
  signal: AbortSignal,
): Promise<Finding[]> {
  if (lookup === undefined) return []
  const request = lookup.request(nobodys)
  if (lookup.unusable) return [{ what: 'key', problem: lookup.unusable }]
  if (request === undefined) return []
  const what = `look-up at ${new URL(request.url).host}`
  const used = 'one request of the quota was used'
  try {
    const ask = lookup.fetch ?? fetch
    const answer = await fetchAnswer(ask, name, request, lookup.waitMs, signal)
    const { summary } = lookup.read(answer, nobodys)
    return [{ what, found: `answered about ${nobodys}: ${summary}; ${used}` }]
  } catch (error) {
    const problem = toProblem(error)
    // Some vendors know that nobody has this address: who is told so was let in.
    if (problem.code === 'unsupported')
      return [{ what, found: `the key is taken, but not ${nobodys}; ${used}` }]
    return [{ what, problem }]
  }
}

/** How a part fares, and how the way in or out is used. */
function standing(connector: string, line: HealthLine): Finding[] {
  const { part, problem, code = 'internal', remedy } = line
  const more = remedy === undefined ? {} : { remedy }
  if (problem !== undefined) return [{ what: part, problem: new Problem(code, problem, more) }]
  const counts = [
    line.taken === undefined ? '' : `${line.taken} taken since the start`,
    line.refused ? `${line.refused} refused` : '',
    line.waiting ? `${line.waiting} waiting` : '',
    line.last === undefined ? 'nothing so far' : `last ${line.last}`,
    hint(connector, part),
  ]
  const said = counts.filter((text) => text !== '').join(', ')
  return [{ what: part, found: `${line.state}; ${said}` }]
}

function hint(connector: string, part: string): string {
  if (part === 'notices')
    return `none was sent by this test: "cordon notice test ${connector}" sends one`
  if (part.startsWith('POST '))
    return `takes a token of scope ingest: "cordon token create ${connector} --scope ingest"`
  return ''
}

function notRunning(name: string, running: readonly string[]): Problem {
  const guess = nearest(name, running)
  const set = 'set it in connectors (CORDON_CONNECTORS or the settings file) to run it'
  return new Problem('not_found', `no connector ${name} runs here`, {
    remedy: guess
      ? `did you mean ${guess}? Else ${set}`
      : `running are ${running.join(', ')}; ${set}`,
  })
}
