/** One channel: follows the journal from its own place, sends in order, waits out failures, and gives up in the end. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Publisher } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { Randomness } from '../flow/secret.ts'
import type { Pause } from '../flow/try-for.ts'
import { appendJournal } from '../store/journal.ts'
import { actionsAfter, putDeadLetter } from '../store/notices.ts'
import { openAlarm } from './alarm.ts'
import { addLines, type Batch, emptyBacklog, takeAll, waitingIn } from './backlog.ts'
import { type ComposeParts, compose } from './compose.ts'
import { deadLine, letterOf } from './dead-letter.ts'
import { wants } from './events.ts'
import { backOff, longestBackOffMs, openAllowance } from './pace.ts'
import { type Held, openPlace, type Place, putPlace } from './place.ts'
import { publish } from './publish.ts'
import { choose, dueIn, type Schedule } from './schedule.ts'

/** Lines that are looked at in one go, and after which the place is kept although nothing was told. */
const page = 1_000
/** The journal is looked at so often also when nobody says that it grew. */
const slowMs = 30_000

export type ChannelParts = ComposeParts & {
  random: Randomness
  /** Resolves after the time or when stopped. */
  pause: Pause
}

/** What health, metrics and `cordon notice list` show. */
export type ChannelHealth = {
  name: string
  state: 'ready' | 'failing'
  /** Notices that are still to be told. */
  waiting: number
  last?: string
  problem?: string
}

export type Channel = {
  wake(): void
  health(): ChannelHealth
  run(stop: AbortSignal): Promise<void>
}

type State = Schedule & {
  place: Place
  /** The message that is being tried. */
  current: { batch: Batch; sent?: true } | undefined
}

export async function openChannel(
  parts: ChannelParts,
  name: string,
  publisher: Publisher,
): Promise<Channel> {
  const { channel: settings } = publisher
  const { store, now, log, pause } = parts
  const health: ChannelHealth = { name, state: 'ready', waiting: 0 }
  const place = await openPlace(store, name, now())
  const state: State = {
    place,
    backlog: emptyBacklog(place.seq),
    current: undefined,
    allowance: openAllowance(settings.per_hour, now()),
    heldBack: false,
  }
  const alarm = openAlarm(pause)
  const wanted = (action: string) => wants(settings, action)

  const look = async () => {
    for (;;) {
      const lines = await actionsAfter(store.read, state.backlog.upto, page)
      state.backlog = addLines(state.backlog, lines, wanted, settings.digest_size)
      if (lines.length < page) break
      await turn()
    }
    health.waiting = waitingIn(state.backlog) + (state.current ? waitingIn(state.current.batch) : 0)
    const idle = health.waiting === 0 && !state.current
    if (idle && state.backlog.upto - state.place.seq >= page)
      await move({ seq: state.backlog.upto })
  }

  /** What a restart found half done: the same lines again, so that it is the same message. */
  const resume = async (held: Held) => {
    const { seq } = state.place
    let backlog = emptyBacklog(seq)
    while (backlog.upto < held.upto) {
      const lines = await actionsAfter(store.read, backlog.upto, page)
      const within = lines.filter((line) => line.seq <= held.upto)
      if (within.length === 0) break
      backlog = addLines(backlog, within, wanted, settings.digest_size)
    }
    state.current = { batch: takeAll({ ...backlog, upto: held.upto }, seq).batch }
    state.backlog = emptyBacklog(held.upto)
  }

  const move = async (next: Place) => {
    await store.write((tx) => putPlace(tx, name, next, now()))
    state.place = next
  }

  const attempt = async (current: NonNullable<State['current']>, stop: AbortSignal) => {
    // Anew for each try: a decision may be made by now, and links by which to answer do not last.
    const notices = current.sent ? [] : await compose(parts, name, current.batch)
    try {
      if (notices.length > 0) await publish(publisher, notices, pause, stop)
    } catch (error) {
      if (!stop.aborted) await fail(current.batch, notices, toProblem(error))
      return
    }
    if (notices.length > 0) Object.assign(health, { state: 'ready', last: printTime(now()) })
    if (notices.length > 0) delete health.problem
    current.sent = true
    await move({ seq: current.batch.upto })
    state.current = undefined
  }

  const fail = async (batch: Batch, notices: Notice[], problem: Problem) => {
    Object.assign(health, { state: 'failing', problem: problem.message })
    log.warn({ channel: name, err: problem }, 'a notice was not taken')
    const at = now()
    const before = state.place.held ?? { tries: 0, since: at }
    const tries = before.tries + 1
    const over = tries >= settings.tries || at - before.since >= settings.give_up_after
    if (problem.code === 'invalid_input' || over) return bury(batch, notices, tries, problem)
    const chance = (parts.random(1)[0] ?? 0) / 255
    const next = at + backOff(tries, chance, problem.retryMs)
    await move({
      seq: batch.after,
      held: { upto: batch.upto, tries, since: before.since, next },
    })
  }

  const bury = async (batch: Batch, notices: Notice[], tries: number, problem: Problem) => {
    const letter = letterOf(name, batch, notices, { tries, problem: problem.message, at: now() })
    const next = { seq: batch.upto }
    await store.write(async (tx) => {
      await putDeadLetter(tx, letter)
      await putPlace(tx, name, next, now())
      // Two channels that both fail would else tell each other of it for ever.
      if (!notices.every(({ event }) => event === 'notice.dead'))
        await appendJournal(tx, [deadLine(letter, now())])
    })
    state.place = next
    state.current = undefined
  }

  /** One turn: looks, and sends what is due, or rests until something may be. */
  const work = async (stop: AbortSignal) => {
    const { held } = state.place
    if (held && !state.current) await resume(held)
    await look()
    const left = (held?.next ?? 0) - now()
    // Longer than any pause is a clock that was set back.
    if (left > 0 && left <= longestBackOffMs) return pause(Math.min(left, slowMs), stop)
    if (!state.current) {
      const batch = choose(state, settings, state.place.seq, now())
      state.current = batch && { batch }
    }
    if (state.current) return attempt(state.current, stop)
    await alarm.rest(Math.min(dueIn(state, settings, now()) ?? slowMs, slowMs), stop)
  }

  return {
    wake: alarm.ring,
    health: () => ({ ...health }),
    run: async (stop) => {
      let broken = false
      while (!stop.aborted)
        try {
          await work(stop)
          if (broken && !state.place.held) {
            health.state = 'ready'
            delete health.problem
          }
          broken = false
        } catch (error) {
          broken = true
          log.error({ channel: name, err: error }, 'a channel cannot work and tries again')
          Object.assign(health, { state: 'failing', problem: toProblem(error).message })
          await pause(slowMs, stop)
        }
    },
  }
}
