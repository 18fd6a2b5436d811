/** The parts by which orders come to the kernel: enforcing them, whole states where they cannot go on, and signed places. */
import { CatchUp } from './catch-up.ts'
import type { Contact } from './contact.ts'
import { Enforcer } from './enforce.ts'
import { Heads } from './heads.ts'
import type { Firewall } from './kernel/firewall.ts'
import type { Lookout } from './lookout.ts'
import type { Looks } from './looks.ts'
import type { Making } from './parts.ts'
import { wholeState } from './resync.ts'
import { linkNames } from './surroundings.ts'
import { readHead, verifyHead } from './verify.ts'

export type OrderParts = { enforcer: Enforcer; catchUp: CatchUp; heads: Heads }

export function makeOrderParts(
  { settings, on, belonging, record, wished, courses, now, parts }: Making,
  { service, keyring, deadMan }: Contact,
  { firewall, lookout, looks }: { firewall: Firewall; lookout: Lookout; looks: Looks },
): OrderParts {
  const trust = () => keyring.trust
  const learnKeys = () => keyring.learn()
  const waiting = (audience: string) => parts().catchUp.needs(audience)
  const { lost, distrust, trusted } = courses
  const enforcer = new Enforcer({
    firewall,
    wished,
    record,
    now,
    here: () => lookout.here,
    ceilings: settings,
    links: () => linkNames(on.places),
    trust,
    audiences: () => belonging.audiences,
    learnKeys,
    waiting,
    lost,
    distrust,
    taken: trusted,
    ending: (lifted) => parts().hits.count(lifted),
    refuses: (order, target) => deadMan.refusal(order, target),
    report: (answers) => {
      deadMan.applied(answers.filter((one) => !enforcer.accepting.notes.isAgain(one)))
      parts().reporter.answers(parts().hits.withHits(answers))
    },
    health: courses.health,
    emptied: courses.emptied,
    allowed: () => parts().postures.allow(),
  })
  const stateTrust = () => ({ ...keyring.trust, mostBlocks: settings.max_blocks })
  const accept = enforcer.accepting
  const state = { service, accept, trust: stateTrust, learnKeys, nonce: on.nonce }
  const catchUp = new CatchUp({
    fetch: (audience, lostPast) => wholeState(state, audience, lostPast),
    load: (load) => enforcer.load(load),
    caughtUp: courses.caughtUp,
    failing: courses.failing,
    retry: () => void courses.fetchStates(),
    random: on.random,
  })
  const heads = new Heads({
    verify: (jws) => {
      looks.attest(readHead(jws, trust()).iat * 1_000)
      return verifyHead(jws, trust(), belonging.audiences, now())
    },
    learnKeys,
    standing: (audience) => record.standing(audience),
    waiting,
    alive: trusted,
    lost,
    distrust,
    withheld: courses.withheld,
  })
  return { enforcer, catchUp, heads }
}
