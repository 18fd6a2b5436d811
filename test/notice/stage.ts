/** Notices on a held clock: a journal, channels that do what a test says, and time that passes when it is told to. */
import pino from 'pino'
import { z } from 'zod'
import { type ChannelSettings, channelShape } from '#contract/channel.ts'
import type { Publisher } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { type NoticeParts, type Notices, openNotices } from '../../actions/notice/notices.ts'
import type { Decision } from '../../actions/store/decisions.ts'
import { appendJournal, type JournalEntry } from '../../actions/store/journal.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { holdTime } from '../held-time.ts'

/** 2026-03-01T03:00:00Z */
export const start = Date.UTC(2026, 2, 1, 3, 0, 0)

/** A question that nobody has answered yet. */
export const waiting: Decision = {
  id: 'd-4x7k2m9qz1hb0wfa',
  state: 'waiting',
  outcome: 'review',
  origin: 'policy',
  rule: 'doubtful',
  target: '203.0.113.7',
  offender: '203.0.113.7',
  direction: 'in',
  audience: ['group/web'],
  lengthMs: 7_200_000,
  created: start,
  issued: null,
  notAfter: null,
  ended: null,
  endReason: null,
  actor: null,
  note: null,
  reasons: [{ code: 'rule_matched', rule: 'doubtful', because: 'it is in doubt' }],
  would: null,
  alerts: 3,
  measure: { action: 'block' },
  scope: {},
  rollout: null,
}

const Settings = z.strictObject(channelShape)

export function settingsOf(given: Record<string, unknown> = {}): ChannelSettings {
  return Settings.parse({ events: ['*'], ...given })
}

/** A channel whose answers a test gives: undefined is taken, anything else is thrown. */
export function recorder(given: Record<string, unknown> = {}) {
  const taken: Notice[][] = []
  const tries: { at: number; ids: string[] }[] = []
  const channel = {
    taken,
    tries,
    /** Looked at before each answer. */
    answer: (_: readonly Notice[], __: AbortSignal): unknown => undefined,
    now: () => 0,
    publisher: {
      channel: settingsOf(given),
      publish: async (notices, signal) => {
        tries.push({ at: channel.now(), ids: notices.map(({ id }) => id) })
        const wrong = await channel.answer(notices, signal)
        if (wrong !== undefined) throw wrong
        taken.push([...notices])
      },
    } satisfies Publisher,
    titles: () => taken.map((notices) => notices.map(({ title }) => title)),
    events: () => taken.flat().map(({ event }) => event),
  }
  return channel
}
export type Recorder = ReturnType<typeof recorder>

export type Stage = {
  store: Store
  clock: { now: number }
  logged: string[]
  /** Opens the notices of a service; a second call is the service after a restart. */
  open(
    channels: Record<string, Recorder | Publisher>,
    more?: Partial<NoticeParts>,
  ): Promise<Notices>
  append(...entries: (Partial<JournalEntry> & { action: string })[]): Promise<void>
  /** Lets time pass, and everybody do what is due meanwhile. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

export async function openStage(): Promise<Stage> {
  const store = await openStore(openSqlite(':memory:'))
  const clock = { now: start }
  const logged: string[] = []
  const { pause, pass } = holdTime(clock)
  const opened: Notices[] = []

  return {
    store,
    clock,
    logged,
    pass,
    open: async (channels, more = {}) => {
      const publishers = new Map<string, Publisher>()
      for (const [name, channel] of Object.entries(channels)) {
        if ('publisher' in channel) channel.now = () => clock.now
        publishers.set(name, 'publisher' in channel ? channel.publisher : channel)
      }
      const notices = await openNotices({
        store,
        channels: publishers,
        issuer: 'cordon-test',
        now: () => clock.now,
        random: (bytes) => new Uint8Array(bytes).fill(127),
        log: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
        pause,
        answersFor: async () => [],
        ...more,
      })
      opened.push(notices)
      return notices
    },
    append: async (...entries) => {
      const lines = entries.map((entry) => ({
        at: clock.now,
        actor: 'policy',
        subject: 'web-01',
        ...entry,
      }))
      await store.write((tx) => appendJournal(tx, lines))
    },
    close: async () => {
      for (const notices of opened) await notices.stop()
      await store.close()
    },
  }
}
