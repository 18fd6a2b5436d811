/** A node from signed envelope to kernel upon one back end, with a clock that stands: whatever ends is ended by the kernel. */
import { join } from 'node:path'
import type { Action } from '#contract/action.ts'
import { Clock } from '../../agent/clock.ts'
import type { Answer } from '../../agent/differences.ts'
import { Enforcer } from '../../agent/enforce.ts'
import type { Protected } from '../../agent/guard.ts'
import { Hits } from '../../agent/hits.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { Memory } from '../../agent/memory.ts'
import { Recorder } from '../../agent/record.ts'
import { Wished } from '../../agent/wished.ts'
import { lift, Sequence, serviceKey, today, trusting } from '../agent/signer.ts'
import { backEnds } from './back-ends.ts'
import { legacyTools } from './legacy.ts'

export type BackEnd = {
  readonly name: 'netlink' | 'nft' | 'ipset with iptables-legacy' | 'ipset with iptables-nft'
  readonly skip: () => string | false
  readonly make: () => Promise<Firewall>
  /** What somebody does to get rid of it. */
  readonly flush: readonly string[]
}

const tables = ['raw', 'mangle', 'filter']

const legacy = (variant: '-legacy' | '-nft'): BackEnd => ({
  name: `ipset with iptables${variant}`,
  skip: () => legacyTools(variant).skip,
  make: async () => ipsetFirewall(ipsetProgram(), iptablesProgram(variant)),
  flush: [
    ...['iptables', 'ip6tables'].flatMap((program) =>
      tables.map((table) => `${program}${variant} -w -t ${table} -F`),
    ),
    'ipset flush',
  ],
})

export const everyBackEnd: readonly BackEnd[] = [
  ...(['netlink', 'nft'] as const).map(
    (name): BackEnd => ({
      name,
      skip: () => false,
      make: async () => {
        const found = backEnds.find((one) => one.name === name)
        if (!found) throw new Error(`no back end ${name}`)
        return found.make()
      },
      flush: ['nft flush ruleset'],
    }),
  ),
  legacy('-legacy'),
  legacy('-nft'),
]

let count = 0

export function conformingNode(firewall: Firewall, folder: string) {
  const memory = new Memory(join(folder, `node-${count++}`))
  const remembered = memory.load()
  const sequence = new Sequence('all')
  remembered.standings.set('all', { ...sequence.at, statement: '' })
  const clock = new Clock(() => 0, today)
  const wished = new Wished()
  const here: Protected[] = []
  const answers = new Map<string, Answer>()
  const hits = new Hits({
    ...{ firewall, wished, now: () => today },
    // It is asked for again and again, and each time it is to be read.
    monotonic: () => 0,
    health: (problem) => {
      if (problem) assertNever(problem)
    },
  })
  const enforcer = new Enforcer({
    ...{ firewall, wished },
    record: new Recorder(
      {
        ...{ memory, wished, clock },
        local: () => ({ wall: today, uptime: 0, boot: 'one' }),
        trouble: (problem) => assertNever(problem),
        well: () => {},
      },
      remembered,
    ),
    now: () => clock.now(),
    here: () => here,
    ceilings: { max_blocks: 100_000, ipv4_prefix: 16, ipv6_prefix: 32 },
    trust: () => trusting(serviceKey),
    audiences: () => new Set(['all']),
    learnKeys: async () => {},
    waiting: () => false,
    lost: (_, problem) => assertNever(problem),
    distrust: assertNever,
    taken: () => {},
    report: (more) => {
      for (const answer of hits.withHits(more)) answers.set(answer.decision, answer)
    },
    ending: (lifted) => hits.count(lifted),
    health: () => {},
    emptied: () => {},
  })
  const order = async (...actions: readonly Action[]) => {
    if (actions.length === 0) return
    enforcer.take(sequence.next(actions))
    await enforcer.settled()
    if (enforcer.problem) throw enforcer.problem
  }
  return {
    order,
    heal: async () => {
      await enforcer.replace()
      if (enforcer.problem) throw enforcer.problem
    },
    protect: async (all: readonly Protected[]) => {
      here.splice(0, here.length, ...all)
      await enforcer.protect()
    },
    /** What each decision stopped until now, by its number, in order. */
    stopped: async () => {
      await hits.read()
      return hits
        .news()
        .map(({ decision, packets }) => [Number.parseInt(decision.slice(2), 10), packets])
        .sort(([a = 0], [b = 0]) => a - b)
    },
    /** The last answer to a decision. */
    answerTo: (decision: string) => answers.get(decision),
    liftAll: () =>
      order(
        ...[...wished.claims()].map(({ decision, target }) => ({ ...lift(0, target), decision })),
      ),
    stop: () => enforcer.stop(),
  }
}

function assertNever(problem: unknown): never {
  throw problem
}
