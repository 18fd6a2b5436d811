/**
 * What nobody tells a node: that the machine slept, in which the kernel's timers stand still, that the service's name leads
 * elsewhere, and that the service's clocks disagree. What happens anyhow is the time to look.
 */
import type { AgentOn } from './agent.ts'
import { resolveHost } from './connect.ts'
import type { Courses } from './courses.ts'
import type { Ground } from './ground.ts'
import type { Parts } from './parts.ts'

export type Looks = {
  awake(): void
  /** `soon`: the service is missing, so that it is not left for later. */
  lookUp(soon: boolean): Promise<void>
  /** The service signed something at this time (ms). */
  attest(signed: number): void
  disputes(): void
}

export function looksOf(
  { clock, belonging }: Ground,
  courses: Courses,
  parts: () => Parts,
  on: AgentOn,
): Looks {
  let disputed = false
  const awake = () => {
    const slept = clock.wake()
    if (slept === 0) return
    on.say(
      `the machine slept for ${Math.round(slept / 1_000)} s; the blocks get the time that is left`,
    )
    void parts().enforcer.replace()
    parts().feeds.load()
  }
  return {
    awake,
    lookUp: async (soon) => {
      const news = await belonging.lookUp(on.resolve ?? resolveHost, on.monotonic(), soon)
      if (news) courses.look()
    },
    attest: (signed) => {
      awake()
      if (clock.attest(signed)) courses.measured(signed, 0)
    },
    disputes: () => {
      if (clock.disputed && !disputed)
        on.say(
          'the service tells another time than it signs; the clock of the blocks stays as it is',
        )
      disputed = clock.disputed
    },
  }
}

/** The courses that happen now and then, each after a look. */
export function lookingFirst(courses: Courses, { awake, lookUp }: Looks): Courses {
  const look = () => {
    awake()
    void lookUp(false)
  }
  return {
    ...courses,
    look: () => {
      look()
      courses.look()
    },
    tell: () => {
      look()
      courses.tell()
    },
    reach: (problem) => {
      look()
      courses.reach(problem)
    },
  }
}
