/** Results into an event collector: what it refuses is told by itself, all else is there only once indexers say so. */
import { Problem } from '#contract/problem.ts'
import type { Refusal, Result, Sink } from '#contract/result.ts'
import type { Clock } from '../../clock.ts'
import { isWanted } from '../../wanted-actions.ts'
import { printEvent } from './event.ts'
import { type Hec, type HecAnswer, openHec } from './open-hec.ts'
import { isAboutEvent, refusedByHec, refusedEvent } from './refused-by-hec.ts'
import type { HecSettings } from './shape.ts'

const mostEvents = 200
const firstPauseMs = 250
const longestPauseMs = 5_000
/** Numbers of acknowledgements begin at 0. */
const neverGiven = 2_147_483_647

type Event = { id: string; text: string }
type Sending = { hec: Hec; settings: HecSettings; clock: Clock; stop: AbortSignal }

/** `host` is what the events name as theirs. Throws `setting_invalid`. */
export function openHecSink(
  settings: HecSettings & { ca?: string | undefined },
  host: string,
  clock: Clock,
): Sink {
  const hec = openHec(settings)
  // Whether the last batch was acknowledged, so that this one will be.
  let sure = false
  // What was sent and not confirmed in time: slow indexers may have it by now.
  let unsure: Unsure | undefined
  return {
    key: 'splunk/hec',
    wants: (action) => isWanted(action, settings.hec_actions),
    most: mostEvents,
    async take(results, stop) {
      const sending = { hec, settings, clock, stop }
      // Asked before the first event: found out after it, the event would be there again at every try.
      if (settings.hec_acknowledge && !sure) await askNothing(hec, stop)
      sure = false
      const there = unsure && (await openOf(sending, unsure.open)).length === 0 ? unsure : undefined
      unsure = undefined
      const events = results
        .filter(({ id }) => !there?.ids.has(id))
        .map((result) => eventOf(result, settings, host))
      const sent = await sendAll(sending, events)
      const refusals = [...(there?.refusals ?? []), ...sent.refusals]
      const open = await openOf(sending, sent.acks)
      if (open.length > 0) {
        unsure = { ids: new Set(results.map(({ id }) => id)), open, refusals }
        throw notIndexed()
      }
      sure = true
      return refusals
    },
  }
}

type Unsure = { ids: ReadonlySet<string>; open: readonly number[]; refusals: readonly Refusal[] }

/** Throws unless the token has indexer acknowledgement: asks about a number that is never given out. */
export async function askNothing(hec: Hec, stop: AbortSignal): Promise<void> {
  const answer = await hec.ask([neverGiven], stop)
  if (answer.acks === undefined) throw refusedByHec(answer)
}

function eventOf(result: Result, settings: HecSettings, host: string): Event {
  return { id: result.id, text: printEvent(result, settings, host) }
}

async function sendAll(
  sending: Sending,
  events: readonly Event[],
): Promise<{ refusals: Refusal[]; acks: number[] }> {
  const refusals: Refusal[] = []
  const acks: number[] = []
  const parts = [events]
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    if (part.length === 0) continue
    const body = part.map(({ text }) => text).join('\n')
    const answer = await sending.hec.send(body, sending.stop)
    if (isTaken(answer)) acks.push(...ackOf(sending, answer))
    else {
      const { rest, refused } = withoutBad(sending, part, answer)
      if (refused) refusals.push({ id: refused.id, problem: refusedEvent(answer) })
      if (answer.ackId !== undefined) acks.push(answer.ackId)
      parts.unshift(...rest)
    }
  }
  return { refusals, acks }
}

function isTaken({ status, code }: HecAnswer): boolean {
  return status === 200 && (code === undefined || code === 0)
}

/** What of a part that was not taken is sent on, and which event never can be. Throws when it is not about an event. */
function withoutBad(
  { settings }: Sending,
  part: readonly Event[],
  answer: HecAnswer,
): { rest: (readonly Event[])[]; refused?: Event | undefined } {
  if (answer.status !== 413 && !isAboutEvent(answer)) throw refusedByHec(answer)
  if (part.length === 1) return { rest: [], refused: part[0] }
  const bad = answer.status === 413 ? undefined : answer['invalid-event-number']
  if (bad === undefined || bad >= part.length) {
    const half = Math.ceil(part.length / 2)
    return { rest: [part.slice(0, half), part.slice(half)] }
  }
  // Those before it were accepted; but nobody would ever acknowledge them when they got no number.
  const accepted = !settings.hec_acknowledge || answer.ackId !== undefined
  const before = accepted ? [] : part.slice(0, bad)
  return { rest: [[...before, ...part.slice(bad + 1)]], refused: part[bad] }
}

function ackOf({ settings }: Sending, answer: HecAnswer): number[] {
  if (!settings.hec_acknowledge) return []
  if (answer.ackId === undefined) throw refusedByHec({ ...answer, code: 14 })
  return [answer.ackId]
}

/** Acknowledgements that have not come in time. */
async function openOf(
  { hec, settings, clock, stop }: Sending,
  acks: readonly number[],
): Promise<number[]> {
  if (!settings.hec_acknowledge) return []
  const until = clock.now() + settings.hec_acknowledge_within
  let open = [...acks]
  for (
    let pauseMs = firstPauseMs;
    open.length > 0;
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  ) {
    const { acks: said, ...answer } = await hec.ask(open, stop)
    if (said === undefined) throw refusedByHec(answer)
    // Each is said to be there once only.
    open = open.filter((ack) => said[String(ack)] !== true)
    if (open.length === 0 || clock.now() >= until || stop.aborted) return open
    await clock.pause(Math.min(pauseMs, until - clock.now()), stop)
  }
  return open
}

function notIndexed(): Problem {
  return new Problem('service_unreachable', 'the indexers of splunk have not confirmed in time', {
    remedy:
      'they are asked once more, then the events are sent again and may be there twice: see the queues of the indexers, set a longer hec_acknowledge_within, or let the balancer before several collectors keep a client at one of them',
  })
}
