/** The part of a node from envelope to kernel on a state folder, which dies when nobody asks it for anything more. */
import { readAddress } from '#contract/address.ts'
import type { Problem } from '#contract/problem.ts'
import { acceptRemembered } from '../../agent/accept.ts'
import { Clock } from '../../agent/clock.ts'
import type { Answer } from '../../agent/differences.ts'
import { Enforcer } from '../../agent/enforce.ts'
import { Memory } from '../../agent/memory.ts'
import { Recorder } from '../../agent/record.ts'
import { Troubles } from '../../agent/troubles.ts'
import { Wished } from '../../agent/wished.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { serviceKey, today, trusting } from './signer.ts'

/** 192.0.2.0/24 is never blocked. `memory` may be one that refuses. */
export function enforceFrom(
  folder: string,
  memory = new Memory(folder),
  expresses = { scopes: true, reject: true },
  links: () => readonly string[] = () => [],
) {
  let passed = 0
  let emptied = 0
  const remembered = memory.load()
  const start = { epoch: 1, seq: 0, hash: '', statement: '' }
  for (const audience of ['all', 'node/web-01'])
    if (!remembered.standings.has(audience)) remembered.standings.set(audience, start)
  const clock = new Clock(() => 0, today)
  const wished = new Wished()
  const firewall = new MemoryFirewall()
  firewall.expresses = expresses
  const answers: Answer[] = []
  const troubles = new Troubles(() => {})
  const record = new Recorder(
    {
      ...{ memory, wished, clock },
      local: () => ({ wall: today, uptime: passed, boot: 'one' }),
      trouble: (problem) => troubles.set('disk', problem),
      well: () => troubles.set('disk', undefined),
    },
    remembered,
  )
  const enforcer = new Enforcer({
    firewall,
    wished,
    record,
    now: () => clock.now(),
    here: () => [{ address: readAddress('192.0.2.0/24'), why: 'administration network' }],
    ceilings: { max_blocks: 100_000, ipv4_prefix: 16, ipv6_prefix: 32 },
    links,
    trust: () => trusting(serviceKey),
    audiences: () => new Set(['all', 'node/web-01']),
    learnKeys: async () => {},
    waiting: () => false,
    lost: () => {},
    distrust: () => {},
    taken: () => {},
    report: (more) => answers.push(...more),
    health: (_problem: Problem | undefined) => {},
    emptied: () => {
      emptied++
    },
  })
  acceptRemembered(enforcer.accepting, remembered)
  return {
    ...{ enforcer, firewall, record, wished, answers, remembered },
    /** How often a change found the table gone. */
    emptied: () => emptied,
    /** What the status shows. */
    problems: () => troubles.list(),
    pass: (ms: number) => {
      passed += ms
    },
    said: () => answers.map((one) => `${one.decision} ${one.status} ${one.epoch}:${one.seq}`),
  }
}
