/**
 * By the clock: lets go of what was kept for as long as the settings say. Never of what a decision in force or waiting
 * needs, nor of what the policy still counts. The room is used again; the file itself does not shrink.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { historyWindowMs } from '../decide/facts.ts'
import type { RetentionSettings } from '../retention-settings.ts'
import { appendJournal } from '../store/journal.ts'
import { readByAll } from '../store/journal-readers.ts'
import {
  announcePrune,
  journalOfAge,
  oldestStanding,
  removeJournal,
} from '../store/prune-journal.ts'
import {
  alertsOfAge,
  beginning,
  countIntelligence,
  countOriginals,
  countWith,
  decisionsOfAge,
  type Place,
  putPlace,
  readPlace,
  removeAlerts,
  removeDecisions,
  removeIntelligence,
  stepRows,
  thinAlerts,
} from '../store/retention.ts'
import type { Reader, Store, Writer } from '../store/store.ts'

const dayMs = 24 * 3_600_000

/** Rows that went, or would go; of `originals` the vendor's records, whose alerts stay. */
export type Retained = {
  alerts: number
  originals: number
  decisions: number
  receipts: number
  journal: number
  intelligence: number
}

export type RetainOptions = {
  /** Ends once about so many rows went. */
  limit?: number
  /** Who let it be done; the clock unless somebody else is named. */
  actor?: string
  /** Under which names those keep their places who follow the journal: no line goes that one of them has not read. */
  readers?: readonly string[]
}

/**
 * Lets go in steps of a few hundred rows, each a transaction of its own with a turn of the event loop after it, and
 * journals how much went. `more` says that the limit ended it.
 */
export async function retain(
  store: Store,
  settings: RetentionSettings,
  now: number,
  { limit = Number.POSITIVE_INFINITY, actor = 'clock', readers = [] }: RetainOptions = {},
): Promise<{ gone: Retained; more: boolean }> {
  // Without waiting for the disk: what is forgotten with the machine is let go again.
  const step: Round['step'] = (job) => store.note((tx) => job(tx, tx))
  const done = await work(store, settings, { now, actor, limit, readers }, step)
  const { journal: _, ...rows } = done.gone
  if (Object.values(rows).some((n) => n > 0)) {
    const line = { at: now, actor, action: 'retention.run', subject: 'retention', after: rows }
    await store.note((tx) => appendJournal(tx, [line]))
  }
  return done
}

/** What `retain` would do now, by reading alone. */
export async function wouldRetain(
  store: Store,
  settings: RetentionSettings,
  now: number,
  readers: readonly string[] = [],
): Promise<Retained> {
  const step: Round['step'] = (job) => job(store.read, undefined)
  const limit = Number.POSITIVE_INFINITY
  return (await work(store, settings, { now, actor: '', limit, readers }, step)).gone
}

type Asked = { now: number; actor: string; limit: number; readers: readonly string[] }

type Round = Asked & {
  read: Reader
  gone: Retained
  /** `tx` is undefined when nothing is to be changed. */
  step<T>(job: (db: Reader, tx: Writer | undefined) => Promise<T>): Promise<T>
  full(): boolean
}

async function work(
  store: Store,
  settings: RetentionSettings,
  asked: Asked,
  run: Round['step'],
): Promise<{ gone: Retained; more: boolean }> {
  const { now, limit } = asked
  const gone = { alerts: 0, originals: 0, decisions: 0, receipts: 0, journal: 0, intelligence: 0 }
  const full = () => Object.values(gone).reduce((sum, rows) => sum + rows, 0) >= limit
  const step: Round['step'] = async (job) => {
    const result = await run(job)
    await turn()
    return result
  }
  const round: Round = { ...asked, read: store.read, gone, step, full }
  const alertsBefore = now - settings.alerts
  await retainAlerts(round, 'alerts', beginning, alertsBefore)
  if (settings.originals !== undefined)
    await retainAlerts(round, 'originals', { at: alertsBefore, id: '' }, now - settings.originals)
  await retainDecisions(round, now - settings.decisions, alertsBefore)
  await retainIntelligence(round, now - settings.intelligence)
  if (settings.journal !== undefined) await retainJournal(round, now - settings.journal)
  return { gone, more: full() }
}

/** The place from which the next round begins moves on only as long as nothing was held. */
async function retainAlerts(
  round: Round,
  what: 'alerts' | 'originals',
  first: Place,
  before: number,
): Promise<void> {
  const { gone } = round
  const counted = round.now - historyWindowMs
  let from: Place | undefined
  let held = false
  for (let last = false; !last && !round.full(); )
    last = await round.step(async (db, tx) => {
      from ??= later(first, await readPlace(db, what))
      const page = await alertsOfAge(db, from, { before, counted })
      const remove = what === 'alerts' ? page.remove : []
      const thin = what === 'alerts' ? page.thin : [...page.thin, ...page.remove]
      gone.originals += await (tx ? thinAlerts(tx, thin) : countOriginals(db, thin))
      gone.alerts += remove.length
      held ||= page.held
      from = page.next
      if (tx) {
        await removeAlerts(tx, remove)
        if (!held) await putPlace(tx, what, page.next)
      }
      return page.last
    })
}

function later(a: Place, b: Place): Place {
  return a.at > b.at ? a : b
}

async function retainDecisions(round: Round, before: number, alertsBefore: number): Promise<void> {
  const { gone } = round
  let from = beginning
  for (let last = false; !last && !round.full(); )
    last = await round.step(async (db, tx) => {
      const page = await decisionsOfAge(db, from, { before, alertsBefore })
      const went = tx
        ? await removeDecisions(tx, page.remove)
        : { ...(await countWith(db, page.remove)), gone: true }
      gone.receipts += went.receipts
      gone.alerts += went.alerts
      // What is left of these decisions goes in the next step, from the same place.
      if (!went.gone) return false
      gone.decisions += page.remove.length
      from = page.next
      return page.last
    })
}

async function retainIntelligence(round: Round, before: number): Promise<void> {
  for (let last = false; !last && !round.full(); )
    last = await round.step(async (db, tx) => {
      const rows = tx ? await removeIntelligence(tx, before) : await countIntelligence(db, before)
      round.gone.intelligence += rows
      return !tx || rows < stepRows
    })
}

/** By whole days, so that there is one line about it a day and not one an hour. */
async function retainJournal(round: Round, before: number): Promise<void> {
  const day = Math.floor(before / dayMs) * dayMs
  if (round.full() || !(await journalOfAge(round.read, day))) return
  const upto = await readByAll(round.read, round.readers)
  const oldest = await oldestStanding(round.read)
  const target = await journalOfAge(round.read, Math.min(day, oldest), upto)
  if (!target) return
  const said = await round.step(async (_, tx) => {
    if (tx) await announcePrune(tx, target, round)
    return tx !== undefined
  })
  if (!said) round.gone.journal += target.lines
  for (let last = !said; !last && !round.full(); )
    last = await round.step(async (_, tx) => {
      const rows = tx ? await removeJournal(tx, target.through) : 0
      round.gone.journal += rows
      return rows < stepRows
    })
}
