/** TheHive and the connector in a test: notices to tell, and a Cordon that is asked for answers. */
import { EventEmitter, once } from 'node:events'
import type { TestContext } from 'node:test'
import type { Cordon, Worked } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { Problem } from '#contract/problem.ts'
import { serveAnswers } from '../../../connectors/thehive/answers.ts'
import { publishToTheHive } from '../../../connectors/thehive/publish.ts'
import { Settings } from '../../../connectors/thehive/settings.ts'
import { startTheHive, type TheHiveWorld, theHiveWorld } from '../../doubles/thehive.ts'

export const question = 'd-4x7k2m9qz1hb0wfa'
export const forever = new AbortController().signal
/** Fails rather than waits for ever. */
const patienceMs = 60_000

export async function openStage(
  t: TestContext,
  more: Partial<TheHiveWorld> = {},
  given: object = {},
) {
  const world = theHiveWorld(more)
  const hive = await startTheHive(world)
  t.after(() => hive.close())
  const settings = Settings.parse({ url: hive.url, api_key: 'key-1', ...given })
  const publisher = publishToTheHive(settings)
  return {
    world,
    hive,
    settings,
    tell: (...notices: Notice[]) => publisher.publish(notices, forever),
    alert: (sourceRef: string = question) => {
      const found = world.alerts.find((one) => one.sourceRef === sourceRef)
      if (!found) throw new Error(`there is no alert ${sourceRef}`)
      return found
    },
  }
}
export type Stage = Awaited<ReturnType<typeof openStage>>

let lines = 0

/** A line of the journal about the question, in which it got this state. */
export function notice(event: string, state?: string, more: Partial<Notice> = {}): Notice {
  lines++
  const after = { target: '203.0.113.7', reason: 'test', ...(state !== undefined && { state }) }
  return {
    version: 1,
    id: `cordon-test:journal:${lines}`,
    event,
    urgency: 'high',
    at: '2026-03-01T03:00:00.000Z',
    actor: 'policy',
    subject: question,
    title: 'Waits for a person: block 203.0.113.7?',
    text: 'Asked: whether to block 203.0.113.7 for 2h.',
    answers: [],
    details: { after },
    ...more,
  }
}

export const asked = (more: Partial<Notice> = {}) => notice('decision.wait', 'waiting', more)

type Answer = { decision: string; verb: string; by: string; reason: string }

/** `answers` is what was taken; `refuse` is asked before. */
export function cordonThatListens(
  refuse: (answer: Answer) => Problem | undefined = () => undefined,
) {
  const answers: Answer[] = []
  const listeners = new Set<() => void>()
  const cordon: Cordon = {
    now: () => 0,
    knowledge: async () => {
      throw new Problem('unsupported', 'nobody asks here')
    },
    recall: async () => undefined,
    remember: async () => {},
    answer: async (decision, verb, by, reason) => {
      const answer = { decision, verb, by, reason }
      const problem = refuse(answer)
      if (problem) throw problem
      answers.push(answer)
    },
    onPush: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  return {
    cordon,
    answers,
    listeners,
    push: () => {
      for (const listen of listeners) listen()
    },
  }
}

/** The part that takes answers, on a clock that moves when a test says so. */
export function serving(t: TestContext, { settings }: Stage, cordon: Cordon) {
  const reports: Worked[] = []
  const pauses: number[] = []
  const heard = new EventEmitter()
  const sleepers = new Set<() => void>()
  const stop = new AbortController()
  const clock = {
    now: () => 0,
    pause: (ms: number, stopped: AbortSignal) => {
      pauses.push(ms)
      heard.emit('change')
      return new Promise<void>((done) => {
        const wake = () => {
          sleepers.delete(wake)
          done()
        }
        if (stopped.aborted) return done()
        sleepers.add(wake)
        stopped.addEventListener('abort', wake, { once: true })
      })
    },
  }
  const [server] = serveAnswers(settings, cordon, clock)
  if (!server) throw new Error('nothing is served')
  const ended = server
    .run(stop.signal, (work) => {
      reports.push(work)
      heard.emit('change')
    })
    .then(
      () => undefined,
      (problem: unknown) => problem,
    )
  const until = async (enough: () => boolean) => {
    const signal = AbortSignal.timeout(patienceMs)
    while (!enough()) await once(heard, 'change', { signal })
  }
  t.after(async () => {
    stop.abort()
    await ended
  })
  const looks = () => reports.filter((work) => work === 'ready').length
  return {
    reports,
    pauses,
    ended,
    until,
    looks,
    /** Lets the pause be over, and resolves when it has looked again. */
    look: async () => {
      const before = looks()
      for (const wake of [...sleepers]) wake()
      await until(() => looks() > before)
    },
    /** Resolves when it has looked for the first time and rests. */
    rests: () => until(() => looks() > 0 && sleepers.size > 0),
  }
}
