/** The parts by which orders come to the kernel: enforcing them, whole states where they cannot go on, and signed places. */
import type { Judging } from './accept.ts'
import { CatchUp } from './catch-up.ts'
import type { Contact } from './contact.ts'
import { Enforcer } from './enforce.ts'
import { Heads } from './heads.ts'
import type { Firewall } from './kernel/firewall.ts'
import type { Looks } from './looks.ts'
import type { Making } from './parts.ts'
import { linkNames } from './surroundings.ts'
import { readHead, verifyHead } from './verify.ts'
import type { WholeStates } from './whole-states.ts'

type Needed = {
  firewall: Firewall
  judging: Judging
  looks: Looks
  states: WholeStates
}

export type OrderParts = { enforcer: Enforcer; catchUp: CatchUp; heads: Heads }

export function makeOrderParts(
  { on, belonging, record, wished, courses, now, parts }: Making,
  { keyring, deadMan }: Contact,
  { firewall, judging, looks, states }: Needed,
): OrderParts {
  const trust = () => keyring.trust
  const learnKeys = () => keyring.learn()
  const waiting = (audience: string) => parts().catchUp.needs(audience)
  const { lost, distrust, trusted } = courses
  const enforcer = new Enforcer({
    firewall,
    wished,
    record,
    ...judging,
    links: () => linkNames(on.places),
    trust,
    audiences: () => belonging.audiences,
    learnKeys,
    waiting,
    lost,
    distrust,
    taken: trusted,
    ending: (lifted) => parts().hits.count(lifted),
    report: (answers) => {
      deadMan.applied(answers.filter((one) => !enforcer.accepting.notes.isAgain(one)))
      parts().reporter.answers(parts().hits.withHits(answers))
    },
    health: courses.health,
    emptied: courses.emptied,
    allowed: () => parts().postures.allow(),
  })
  const catchUp = new CatchUp({
    fetch: states.fetch,
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
