/** The part that follows the stream of the service, and to which of the others what comes goes. */
import type { Contact } from './contact.ts'
import { Follower } from './follow.ts'
import type { Looks } from './looks.ts'
import type { OrderParts } from './order-parts.ts'
import type { Making } from './parts.ts'
import type { StandingParts } from './standing-parts.ts'

export function makeFollower(
  { on, courses }: Making,
  { service, keyring }: Contact,
  to: OrderParts & StandingParts & { looks: Looks; cursor(): string },
): Follower {
  const { enforcer, heads, catchUp, feeds, postures, looks, cursor } = to
  return new Follower({
    service,
    cursor,
    catchUp: () => {
      void looks.lookUp(true)
      return catchUp.run()
    },
    envelope: (jws) => enforcer.take(jws),
    head: (jws) => void heads.take(jws),
    feeds: (jws) => void feeds.take(jws),
    posture: (jws) => void postures.take(jws),
    hello: (hello, roundTripMs) => {
      courses.greet(hello, roundTripMs)
      looks.disputes()
    },
    groups: courses.follow,
    resync: courses.resync,
    state: courses.reach,
    settled: () => Promise.all([enforcer.settled(), keyring.settled()]),
    monotonic: on.monotonic,
    random: on.random,
  })
}
