/** Every sink that the connectors offer, each followed by itself, so that one that is away holds up no other. */
import type { Sink } from '#contract/result.ts'
import type { SourceHealth } from '../flow/pull.ts'
import type { RunningConnector } from '../flow/receive.ts'
import { openAlarm } from '../notice/alarm.ts'
import { dropWords, newestWord } from '../store/receipt-words.ts'
import { wantsWords } from './batch.ts'
import { type Following, type FollowParts, followResults } from './follow.ts'
import { openPlace, type Place } from './place.ts'

/** Commits come in thousands a second, and a sink is better asked once for many. */
const gatherMs = 1_000

export type OpenSink = { connector: string; sink: Sink }

/** Throws `setting_invalid` for a sink that lacks what it needs. */
export function openSinks(connectors: ReadonlyMap<string, RunningConnector>): OpenSink[] {
  return [...connectors].flatMap(([name, { connector, settings }]) =>
    (connector.sinks?.(settings) ?? []).map((sink) => ({ connector: name, sink })),
  )
}

/** Whether words of nodes have to be kept for somebody. */
export function keepsWords(sinks: readonly OpenSink[]): boolean {
  return sinks.some(({ sink }) => wantsWords(sink))
}

export type Results = {
  /** Something was committed. Costs nothing: may be called after every commit. */
  wake(): void
  stop(): Promise<void>
}

/** Resolves when every sink knows where it begins, so that nothing from then on is missed; `health` gets a line for each. */
export async function startResults(
  parts: FollowParts,
  sinks: readonly OpenSink[],
  health: SourceHealth[],
): Promise<Results> {
  const stop = new AbortController()
  const { store, pause } = parts
  if (!keepsWords(sinks)) await store.note(async (tx) => dropWords(tx, await newestWord(tx)))
  const told = openTold(parts, sinks)
  const following: Following[] = []
  for (const { connector, sink } of sinks) {
    const line: SourceHealth = {
      ...{ connector, source: sink.key, state: 'following' },
      ...{ records: 0, refused: 0, waiting: 0 },
    }
    health.push(line)
    const alarm = openAlarm(pause, gatherMs)
    const moved = (place: Place) => told(sink, place)
    const place = await openPlace(store, sink.key, parts.now())
    following.push({ connector, sink, place, health: line, alarm, moved })
  }
  const ends = following.map((one) => followResults(parts, one, stop.signal))
  return {
    wake: () => {
      for (const { alarm } of following) alarm.ring()
    },
    stop: async () => {
      stop.abort()
      await Promise.all(ends)
      for (const { sink } of sinks) await sink.close?.()
    },
  }
}

/** Words of nodes go once every sink that wants them has taken them. */
function openTold({ store, log }: FollowParts, sinks: readonly OpenSink[]) {
  const places = new Map<Sink, number>(
    sinks.filter(({ sink }) => wantsWords(sink)).map(({ sink }) => [sink, 0] as const),
  )
  let dropped = 0
  return (sink: Sink, { word }: Place) => {
    if (!places.has(sink)) return
    places.set(sink, word)
    const through = Math.min(...places.values())
    if (through <= dropped) return
    dropped = through
    // Nobody waits for it, and what stays now goes with the next.
    store.note((tx) => dropWords(tx, through)).catch((err) => log.warn({ err }, 'words were kept'))
  }
}
