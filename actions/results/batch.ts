/** The next results for a sink after its place: three streams, each in its own order, merged by time. */
import { isDecisionId } from '#contract/action.ts'
import type { Result, Sink } from '#contract/result.ts'
import { type Decision, decisionsById } from '../store/decisions.ts'
import type { JournalLine } from '../store/journal.ts'
import {
  alertsFrom,
  goneBetween,
  type JudgedAlert,
  judgedAfter,
  newestJudged,
} from '../store/judged-alerts.ts'
import { actionsAfter, linesAt } from '../store/notices.ts'
import { type ReceiptWord, wordsAfter } from '../store/receipt-words.ts'
import type { Reader } from '../store/store.ts'
import type { Place } from './place.ts'
import {
  type About,
  alertAction,
  alertResult,
  lineResult,
  wordActions,
  wordResult,
} from './result.ts'

/**
 * `place` is behind the results and what was passed over before them. `gone`: alerts before it that retention let go of
 * before the sink could be told, at most (whose they were is gone with them).
 */
export type Batch = { results: readonly Result[]; place: Place; gone: number }

/** Lines of the journal that are looked at at once: most may be of no interest. */
const pageLines = 1_000
const mostAlerts = 100

type BatchParts = { db: Reader; issuer: string; connector: string; sink: Sink }

type Item =
  | { at: number; place: Partial<Place>; line: JournalLine }
  | { at: number; place: Partial<Place>; word: ReceiptWord }
  | { at: number; place: Partial<Place>; judged: JudgedAlert }

type Stream = { items: readonly Item[]; end: Partial<Place> }

export async function nextBatch(parts: BatchParts, place: Place): Promise<Batch> {
  const streams = [
    await journalStream(parts, place),
    await wordStream(parts, place),
    await alertStream(parts, place),
  ]
  const { items, place: behind } = merge(streams, place, parts.sink.most)
  const gone = parts.sink.wants(alertAction)
    ? await goneBetween(parts.db, place.alert, behind.alert)
    : 0
  return { results: await compose(parts, items), place: behind, gone }
}

async function journalStream({ db, sink }: BatchParts, { seq }: Place): Promise<Stream> {
  const lines = await actionsAfter(db, seq, pageLines)
  const wanted = lines.filter(({ action }) => sink.wants(action)).slice(0, sink.most)
  const items = (await linesAt(db, wanted.map(numberOf))).map((line) => ({
    at: line.at,
    place: { seq: line.seq },
    line,
  }))
  const all = wanted.length < sink.most ? lines.at(-1) : wanted.at(-1)
  return { items, end: all ? { seq: all.seq } : {} }
}

function numberOf({ seq }: { seq: number }): number {
  return seq
}

async function wordStream({ db, sink }: BatchParts, { word }: Place): Promise<Stream> {
  if (!wantsWords(sink)) return { items: [], end: {} }
  const words = await wordsAfter(db, word, sink.most)
  const items = words
    .filter(({ status }) => sink.wants(`receipt.${status}`))
    .map((one) => ({ at: one.heard, place: { word: one.number }, word: one }))
  const last = words.at(-1)
  return { items, end: last ? { word: last.number } : {} }
}

export function wantsWords(sink: Sink): boolean {
  return wordActions.some((action) => sink.wants(action))
}

/**
 * A sink that asks for its connector's own alerts has no use for those of others: these are passed over up to the newest,
 * so that they are not looked through again.
 */
async function alertStream(parts: BatchParts, { alert }: Place): Promise<Stream> {
  const { db, sink, connector } = parts
  if (!sink.wants(alertAction)) return { items: [], end: {} }
  const source = sink.withAlerts ? connector : undefined
  const newest = await newestJudged(db)
  const items = (await judgedAfter(db, alert, sink.most, source)).map((judged) => ({
    at: Date.parse(judged.alert.received),
    place: { alert: judged.place },
    judged,
  }))
  const last = items.at(-1)?.place.alert ?? 0
  return { items, end: items.length < sink.most ? { alert: Math.max(newest, last) } : {} }
}

/** Whichever stream's next item is oldest comes next, so that none is overtaken within its stream. */
function merge(
  streams: readonly Stream[],
  from: Place,
  most: number,
): { items: readonly Item[]; place: Place } {
  const items: Item[] = []
  let place = from
  const left = streams.map((stream) => [...stream.items].reverse())
  while (items.length < most) {
    const next = left
      .filter((stream) => stream.length > 0)
      .reduce<Item[] | undefined>((a, b) => (a && timeOf(a) <= timeOf(b) ? a : b), undefined)
    const item = next?.pop()
    if (!item) break
    items.push(item)
    place = { ...place, ...item.place }
  }
  // What follows a stream's last item was of no interest.
  for (const [i, { end }] of streams.entries())
    if (left[i]?.length === 0) place = { ...place, ...end }
  return { items, place }
}

function timeOf(stream: readonly Item[]): number {
  return stream.at(-1)?.at ?? Number.POSITIVE_INFINITY
}

async function compose(parts: BatchParts, items: readonly Item[]): Promise<Result[]> {
  const ids = [...new Set(items.flatMap(decisionOf))]
  const decisions = await decisionsById(parts.db, ids)
  const results: Result[] = []
  for (const item of items) results.push(await composeOne(parts, item, decisions))
  return results
}

function decisionOf(item: Item): string[] {
  if ('judged' in item) return [item.judged.decision]
  const subject = 'word' in item ? item.word.decision : item.line.subject
  return isDecisionId(subject) ? [subject] : []
}

async function composeOne(
  parts: BatchParts,
  item: Item,
  decisions: ReadonlyMap<string, Decision>,
): Promise<Result> {
  const [id] = decisionOf(item)
  const decision = id === undefined ? undefined : decisions.get(id)
  const { issuer } = parts
  if ('judged' in item) {
    const alerts = parts.sink.withAlerts ? [item.judged.alert] : []
    return alertResult(issuer, item.judged, { decision, alerts })
  }
  const about: About = { decision, alerts: decision ? await alertsFor(parts, decision.id) : [] }
  return 'word' in item
    ? wordResult(issuer, item.word, about)
    : lineResult(issuer, item.line, about)
}

async function alertsFor({ db, sink, connector }: BatchParts, decision: string) {
  return sink.withAlerts ? alertsFrom(db, connector, decision, mostAlerts) : []
}
