/** What the news of one part means for the others. */
import { type Problem, toProblem } from '#contract/problem.ts'
import type { Load } from './accept.ts'
import type { Hello, ResyncReason } from './follow.ts'
import type { Outcome } from './heal.ts'
import type { Parts } from './parts.ts'

export type Courses = ReturnType<typeof coursesOf>

/** The kernel counts remaining times, which were worked out with the clock as it was. */
const jumpMs = 1_000

/** `parts` is asked for only when there is news, so that the parts can be made with these. */
export function coursesOf(parts: () => Parts, say: (line: string) => void) {
  let lastHealing: { at: number; why: string } | undefined

  const look = () => {
    const { lookout, troubles, reporter, enforcer, postures } = parts()
    postures.heal()
    enforcer.lookAtLinks()
    try {
      const change = lookout.look()
      troubles.set('guard', undefined)
      if (change === '') return
      reporter.event('guard_changed', change)
      void enforcer.protect()
      postures.protect()
    } catch (error) {
      troubles.set('guard', toProblem(error))
    }
  }

  const mark = () => {
    const { record, reporter, enforcer, belonging } = parts()
    record.mark(reporter.idle && enforcer.idle)
    belonging.mend()
  }

  const beat = () => {
    const { reporter } = parts()
    mark()
    reporter.heartbeat().catch(() => {
      // The stream's own trouble says it; the next heartbeat carries the same events.
    })
  }

  /** A heartbeat, or only a mark while nobody would hear it: events wait for the service. */
  const tell = () => {
    if (parts().troubles.get('service')) mark()
    else beat()
  }

  /** Without a new state the stream goes on as it is: what failed must not break it off for the others. */
  const fetchStates = async () => {
    const { catchUp, enforcer, follower } = parts()
    if (!(await catchUp.run())) return
    enforcer.discard()
    follower.reconnect()
  }

  /** The audience's whole state is asked for, and the stream begins anew after it. */
  const need = (audience: string, lostPast: boolean) => {
    parts().catchUp.need(audience, lostPast)
    void fetchStates()
  }

  const measured = (time: number, roundTripMs: number) => {
    const { clock, enforcer, feeds, belonging } = parts()
    const moved = clock.measure(time, roundTripMs)
    if (Math.abs(moved) > jumpMs) {
      void enforcer.replace()
      feeds.load()
    }
    // By a clock that was ahead, blocks were let go of before their ends.
    if (moved < -jumpMs) for (const audience of belonging.audiences) need(audience, false)
  }

  const follow = (groups: readonly string[]) => {
    const { belonging, catchUp, enforcer, feeds, postures } = parts()
    const { gone, come } = belonging.join(groups)
    for (const audience of gone) {
      catchUp.forget(audience)
      feeds.leave(audience)
      postures.leave(audience)
      void enforcer.load({ audience, standing: undefined, claims: [], answers: [] })
    }
    for (const audience of come) need(audience, false)
  }

  const healed = (why: string) => {
    lastHealing = { at: parts().clock.now(), why }
    say(`healed: ${why}`)
    parts().reporter.event('healed', why)
  }

  return {
    look,
    mark,
    tell,
    measured,
    follow,
    fetchStates,
    need: (audience: string) => need(audience, false),
    failing: (problem: Problem | undefined) => parts().troubles.set('state', problem),
    feeds: (problem: Problem | undefined) => parts().troubles.set('feeds', problem),
    posture: (problem: Problem | undefined) => parts().troubles.set('posture', problem),
    lastHealing: () => lastHealing,

    greet(hello: Hello, roundTripMs: number): void {
      measured(hello.time, roundTripMs)
      follow(hello.groups)
    },
    /** The stream is there, or why it is not. */
    reach(problem: Problem | undefined): void {
      const { troubles, reporter, healer, sensor } = parts()
      const was = troubles.get('service')
      troubles.set('service', problem)
      if (problem) {
        if (problem.code === 'service_unreachable') parts().deadMan.lost()
        return
      }
      reporter.reachable()
      sensor.reachable()
      beat()
      if (was) healer.afterOutage()
    },
    resync(audience: string, reason: ResyncReason): void {
      if (parts().belonging.audiences.has(audience))
        need(audience, reason === 'ahead' || reason === 'fork')
    },
    lost(audience: string, problem: Problem): void {
      if (parts().catchUp.needs(audience)) return
      say(`${audience}: ${problem.message}; asking for the whole state`)
      need(audience, problem.code === 'envelope_fork' || problem.code === 'envelope_epoch')
    },
    withheld(audience: string, missing: number): void {
      const detail = `${missing} envelopes of ${audience} did not come`
      parts().reporter.event('head_withheld', detail)
      need(audience, false)
    },
    caughtUp(audience: string, { standing, claims }: Load): void {
      const where = `${standing?.epoch}:${standing?.seq}`
      const detail = `${audience} is at ${where} with ${claims.length} blocks`
      parts().reporter.event('resynchronised', detail)
      parts().tidy.after(claims.length)
    },
    trusted(): void {
      parts().troubles.set('trust', undefined)
      parts().follower.alive()
    },
    distrust(problem: Problem): void {
      parts().troubles.set('trust', problem)
      parts().follower.reconnect(problem)
    },
    /** The kernel began to refuse, or takes again. */
    health(problem: Problem | undefined): void {
      const { troubles, reporter, healer } = parts()
      troubles.set('kernel', problem)
      if (problem) reporter.event('degraded', problem.message)
      else reporter.event('recovered', 'the kernel holds what is wished')
      if (problem) healer.disturbed(problem.message)
    },
    emptied(): void {
      healed('the table was gone, found by a change')
      parts().feeds.heal()
    },
    async heal(): Promise<Outcome> {
      const { firewall, enforcer, feeds } = parts()
      look()
      // A dry run has nothing that somebody could have changed, and would print it all again.
      if (!firewall.enforcing) return 'there'
      await enforcer.replace()
      feeds.heal()
      if (enforcer.problem && !enforcer.refusesScoped) return 'refused'
      if (enforcer.gone) return 'gone'
      return enforcer.refusesScoped ? 'partly' : 'there'
    },
    healed,
  }
}
