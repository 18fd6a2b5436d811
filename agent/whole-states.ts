/** Asks for whole states, of a node that holds nothing before its firewall is proved: neither waits for the other. */
import type { Load } from './accept.ts'
import type { Contact } from './contact.ts'
import type { Looks } from './looks.ts'
import type { Making } from './parts.ts'
import { type ResyncOn, wholeState } from './resync.ts'

type Needed = Pick<ResyncOn, 'judging' | 'expresses'> & { looks: Looks }

export type WholeStates = {
  /** Begins to ask for what `fetch` will be asked for first. */
  askAhead(audience: string): void
  /** Throws as `wholeState` does. */
  fetch(audience: string, lostPast: boolean): Promise<Load>
}

export function wholeStates(
  { settings, on, record }: Making,
  { service, keyring }: Contact,
  { judging, looks, expresses }: Needed,
): WholeStates {
  const resync: ResyncOn = {
    service,
    record,
    judging,
    expresses,
    trust: () => ({ ...keyring.trust, mostBlocks: settings.max_blocks }),
    learnKeys: () => keyring.learn(),
    nonce: on.nonce,
  }
  let ahead: { audience: string; load: Promise<Load> } | undefined
  return {
    askAhead: (audience) => {
      // Where the service's name leads is known before what is ordered is judged.
      const load = looks.lookUp(true).then(() => wholeState(resync, audience, false))
      // Whoever fetches it hears of it.
      load.catch(() => {})
      ahead = { audience, load }
    },
    fetch: (audience, lostPast) => {
      const asked = ahead?.audience === audience ? ahead.load : undefined
      if (asked) ahead = undefined
      return asked && !lostPast ? asked : wholeState(resync, audience, lostPast)
    },
  }
}
