/**
 * Agents in one process, each enforcing in a network namespace of its own. One process, because twenty of them on
 * two cores would measure the scheduler; the code of each agent is the product's.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Agent, runAgent } from '../../agent/agent.ts'
import { connect } from '../../agent/connect.ts'
import { enrol } from '../../agent/enrol.ts'
import { chooseFirewall } from '../../agent/kernel/choose.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { ipsetBy } from '../../agent/kernel/ipset-program.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { type Nft, nftBy } from '../../agent/kernel/nft.ts'
import { type Ended, runProgram } from '../../agent/kernel/program.ts'
import { AgentSettings } from '../../agent/settings.ts'
import { linuxPlaces } from '../../agent/surroundings.ts'
import { inNamespace } from './enter.ts'

export type FleetOrder = {
  dir: string
  /** Empty for nodes that are enrolled already. */
  invitations: string[]
  namespaces: string[]
}
export type FleetReady = { connected: number }

/** With a million blocks to load first, on a busy machine. */
const connectMs = 180_000

const agents: Agent[] = []

process.once('message', async ({ dir, invitations, namespaces }: FleetOrder) => {
  for (const [index, namespace] of namespaces.entries()) {
    const state_dir = join(dir, `node-${index}`)
    const invitation = invitations[index]
    if (invitation) await enrol(invitation, `bench-${index}`, state_dir, Date.now())
    agents.push(await startAgent(state_dir, namespace))
  }
  const deadline = performance.now() + connectMs
  while (agents.some((agent) => !agent.status().connected)) {
    if (performance.now() > deadline) throw new Error('an agent does not follow the service')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  process.send?.({ connected: agents.length } satisfies FleetReady)
  process.once('SIGTERM', async () => {
    await Promise.all(agents.map((agent) => agent.stop()))
    process.exit(0)
  })
})

/** The sockets to the kernel stay where they were opened; the service is reached from home. */
async function firewallIn(namespace: string): Promise<Firewall> {
  const firewall = await chooseFirewall({
    ...{ enforce: true, backend: 'auto', print: () => {}, now: Date.now },
    nft: nftIn(namespace),
    ipset: ipsetBy((words, input) => runIn(namespace, 'ipset', words, input)),
    netlink: async () => inNamespace(namespace, netlinkCarrier),
  })
  return {
    ...firewall,
    watch: (changed) => inNamespace(namespace, () => firewall.watch(changed)),
  }
}

function nftIn(namespace: string): Nft {
  const own = new Set<number>()
  return nftBy(
    (words, input) => runIn(namespace, 'nft', words, input, (pid) => own.add(pid)),
    (pid) => own.has(pid),
  )
}

/** A program is in the namespace in which it is started; `ip netns exec` would take longer than what it starts. */
function runIn(
  namespace: string,
  program: string,
  words: readonly string[],
  input: string | Iterable<string>,
  started?: (pid: number) => void,
): Promise<Ended> {
  return inNamespace(namespace, () => runProgram(program, words, input, started))
}

function startAgent(state_dir: string, namespace: string): Promise<Agent> {
  return runAgent(AgentSettings.parse({ state_dir, enforce: true }), {
    version: 'bench',
    firewall: () => firewallIn(namespace),
    connect,
    places: linuxPlaces,
    local: () => ({ wall: Date.now(), uptime: performance.now(), boot: 'bench' }),
    monotonic: () => performance.now(),
    random: Math.random,
    nonce: () => randomBytes(16).toString('base64url'),
    say: () => {},
  })
}

// Whoever started this is gone: nothing is left behind.
process.once('disconnect', () => process.exit(1))
