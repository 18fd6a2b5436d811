/**
 * Takes what people answer in TheHive: looks again and again, and at once when its web hook rings. What the hook says is never
 * believed: each alert is read from TheHive with our own key before anything is done.
 */
import { isDecisionId } from '#contract/action.ts'
import type { Cordon, Server, Worked } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Clock } from '../clock.ts'
import type { HiveAlert } from './alert.ts'
import { openTheHive, type TheHive } from './client.ts'
import { quoted } from './describe.ts'
import { type Said, saidOn } from './said.ts'
import type { Settings } from './settings.ts'
import { askAgain, settle } from './settle.ts'

/** However often it rings. */
const shortestMs = 1_000

type Parts = { hive: TheHive; settings: Settings; cordon: Cordon; self: string; stop: AbortSignal }

/** Nothing without an address. */
export function serveAnswers(settings: Settings, cordon: Cordon, clock: Clock): Server[] {
  if (settings.url === undefined) return []
  return [{ key: 'answers', run: (stop, report) => run(settings, cordon, clock, stop, report) }]
}

async function run(
  settings: Settings,
  cordon: Cordon,
  clock: Clock,
  stop: AbortSignal,
  report: (work: Worked) => void,
): Promise<void> {
  const hive = openTheHive(settings)
  let bell = new AbortController()
  const quiet = cordon.onPush(() => bell.abort())
  try {
    const { login } = await hive.account(stop)
    const parts = { hive, settings, cordon, self: login, stop }
    while (!stop.aborted) {
      bell = new AbortController()
      for (const { _id } of (await hive.unsettled(stop)).filter((one) => saidOn(one, settings)))
        await look(parts, _id, report)
      report('ready')
      await clock.pause(settings.look_every, AbortSignal.any([stop, bell.signal]))
      if (bell.signal.aborted) await clock.pause(shortestMs, stop)
    }
  } finally {
    quiet()
  }
}

/** What is wrong with one alert keeps no other from being heard. */
async function look(parts: Parts, id: string, report: (work: Worked) => void): Promise<void> {
  try {
    const alert = await parts.hive.get(id, parts.stop)
    if (alert && (await hear(parts, alert))) report('done')
  } catch (error) {
    if (!parts.stop.aborted) report(toProblem(error))
  }
}

/** Whether anybody had said anything. Throws what may go better at the next look. */
async function hear(parts: Parts, alert: HiveAlert): Promise<boolean> {
  const { hive, settings, stop } = parts
  const said = saidOn(alert, settings)
  if (said === undefined) return false
  const problem = said === 'both' ? contradiction() : await answer(parts, alert, said)
  if (problem) await refuse(parts, alert, problem)
  else await settle(hive, settings, alert, said === 'both' ? undefined : said.verb, stop)
  return true
}

/** Why it cannot be; undefined when it was taken. Throws what is no fault of the answer. */
async function answer(
  { cordon, self }: Parts,
  alert: HiveAlert,
  { verb, how }: Exclude<Said, 'both'>,
): Promise<Problem | undefined> {
  const { _id, sourceRef, _updatedBy: by } = alert
  if (!isDecisionId(sourceRef)) return noQuestion(sourceRef)
  if (by === undefined || by === null || by === self) return nobody()
  try {
    await cordon.answer(sourceRef, verb, printable(by, 100), `${how} on alert ${_id} in TheHive`)
    return undefined
  } catch (error) {
    const problem = toProblem(error)
    if (problem.status >= 500) throw problem
    return problem
  }
}

/** What is no question any more is settled; else another answer may be given. The alert says why, once. */
async function refuse(
  { hive, settings, stop }: Parts,
  alert: HiveAlert,
  problem: Problem,
): Promise<void> {
  const over = problem.code === 'conflict' || problem.code === 'not_found'
  if (over) await settle(hive, settings, alert, undefined, stop)
  const open = !over && (await askAgain(hive, settings, alert, stop))
  const { message, remedy } = problem
  const rest = open ? ['It still waits, and may be answered here.'] : []
  const lines = [`Not done: ${message}`, ...(remedy === undefined ? [] : [remedy]), ...rest]
  await hive.comment(alert._id, quoted(lines.map((line) => printable(line, 600)).join('\n')), stop)
}

function contradiction(): Problem {
  return new Problem('invalid_input', 'the alert says approve and decline at once', {
    remedy: 'say one of the two',
  })
}

function nobody(): Problem {
  return new Problem('forbidden', 'TheHive names no person who said it', {
    remedy: "answer with an account of a person: Cordon's own account is none",
  })
}

function noQuestion(sourceRef: string): Problem {
  return new Problem('not_found', `${printable(sourceRef, 60)} is no decision of Cordon`, {
    remedy: 'see "cordon review list" for what waits',
  })
}
