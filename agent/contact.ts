/** How a node reaches its service, whom it trusts there, and what happens when it is cut off. */
import type { ConnectTo, Service } from './connect.ts'
import { DeadMan } from './dead-man.ts'
import { askFresh } from './fresh.ts'
import { bearer, makeIdentity } from './identity.ts'
import { Keyring } from './keys.ts'
import type { Making } from './parts.ts'

export type Contact = {
  to: ConnectTo
  service: Service
  deadMan: DeadMan
  keyring: Keyring
}

const keysMs = 5_000

/** Throws what the state folder throws. */
export function makeContact(making: Making): Contact {
  const { settings, on, belonging, troubles, courses, now, parts } = making
  const { monotonic } = on
  const to = connectTo(making)
  const deadMan = new DeadMan({
    folder: settings.state_dir,
    times: { windowMs: settings.dead_man_window, afterMs: settings.dead_man_after },
    accept: () => parts().enforcer.accepting,
    changed: () => void parts().enforcer.changed(),
    ask: (withinMs) => askFresh(on.connect(to), withinMs, '/v1/keys'),
    now,
    monotonic,
    event: (kind, detail) => parts().reporter.event(kind, detail),
    say: on.say,
    trouble: (problem) => troubles.set('disk', problem),
    need: courses.need,
  })
  const service = deadMan.watching(on.connect(to))
  const keyring = new Keyring(
    {
      // What came over the stream waits for this.
      ask: () => service.ask('GET', '/v1/keys', { signal: AbortSignal.timeout(keysMs) }),
      store: ({ keys, announced }) => belonging.keep({ keys, announced }),
      monotonic,
      now,
    },
    belonging.membership,
  )
  return { to, service, deadMan, keyring }
}

function connectTo({ settings, belonging, clock, look }: Making): ConnectTo {
  const { node, issuer, url, tls } = belonging.membership
  const sign = bearer(node, makeIdentity(settings.state_dir), issuer)
  return {
    url,
    tls,
    token: () => sign(clock.tokenTime()),
    heard: (address, date) => {
      if (date !== undefined) clock.suggest(date)
      if (address !== undefined && belonging.meet(address)) look()
    },
  }
}
