/** What an agent stands on when it acts for a host that has none: its kernel and surroundings, reached by SSH. */
import { Problem, toProblem } from '#contract/problem.ts'
import type { AgentOn } from './agent.ts'
import { dryRunFirewall } from './kernel/dry-run.ts'
import { nftBy } from './kernel/nft.ts'
import { iptablesPostureTable } from './kernel/posture-iptables.ts'
import { nftPostureTable, printedPostureTable } from './kernel/posture-table.ts'
import { ipsetSensorTable } from './kernel/sensor-ipset.ts'
import { listingDump } from './kernel/sensor-listing.ts'
import { nftSensorTable, printedSensorTable } from './kernel/sensor-table.ts'
import { type RemoteNft, remoteNft } from './kernel/ssh-firewall.ts'
import {
  chooseSshFirewall,
  type RemoteSets,
  remoteSets,
  type SshBackend,
} from './kernel/ssh-ipset.ts'
import { type SshLine, type SshTo, sshLine } from './kernel/ssh-line.ts'
import { type Programs, programsHere } from './kernel/traces.ts'
import type { AgentSettings } from './settings.ts'
import { remoteHost } from './ssh-surroundings.ts'

/** How often the host is asked what it depends on. */
const refreshMs = 10_000

/** `on` as it is when no host is named. `print` says what would be done. Throws `setting_invalid`. */
export function throughSsh(
  settings: AgentSettings,
  on: AgentOn,
  print: (script: string) => void,
): AgentOn {
  const found = sshOf(settings)
  if (!found) return on
  const { to, backend } = found
  const line = sshLine(to)
  const nft = remoteNft(line, on.monotonic)
  const host = remoteHost(line)
  let sets: RemoteSets | undefined
  const made = async (by: SshBackend) => {
    try {
      sets = await remoteSets(line)
      return await chooseSshFirewall(line, nft, { sets, backend: by, monotonic: on.monotonic })
    } catch (error) {
      line.close()
      throw error
    }
  }
  return {
    ...on,
    prepare: async () => {
      await host.refresh()
      const { peer, root } = await line.open()
      return `${to.host} answers${root ? '' : ', by sudo'}; this agent comes from ${peer}`
    },
    places: host.places,
    interfaces: host.interfaces,
    firewall: async () => {
      const enforcing = settings.enforce && backend !== 'dry-run'
      const firewall = enforcing ? await made(backend) : dryRunFirewall(print, Date.now)
      // What it does not tell now it tells later; that it is away is found by whoever looks at the table.
      const timer = setInterval(() => host.refresh().catch(() => {}), refreshMs).unref()
      const close = async () => {
        clearInterval(timer)
        await firewall.close()
        line.close()
      }
      return { ...firewall, close }
    },
    posture: async ({ name }) => {
      if (name === 'dry-run') return printedPostureTable(print)
      if (name === 'ipset') return sets && iptablesPostureTable(sets.ipset, sets.iptables)
      return nftPostureTable(nft)
    },
    sensor: async ({ name }) => {
      if (name === 'dry-run') return printedSensorTable(print)
      if (name === 'ipset') return sets && ipsetSensorTable(sets.ipset, sets.iptables)
      return nftSensorTable(nft, async () => listingDump(nft))
    },
  }
}

/** Where traces are to be looked for: on that host, or on this machine when none is named. Throws `setting_invalid`. */
export function programsOf(settings: AgentSettings, monotonic: () => number) {
  const found = sshOf(settings)
  if (!found) return { programs: async () => programsHere(), close: () => {} }
  const line = sshLine(found.to)
  return {
    programs: () => programsThere(line, remoteNft(line, monotonic)),
    close: () => line.close(),
  }
}

/** What its user may not run there has left nothing there, as long as there is something that it may. */
async function programsThere(line: SshLine, nft: RemoteNft): Promise<Programs> {
  const { ipset, iptables } = await remoteSets(line)
  const byNft = await forbidden(() => nft.list('list', 'tables'))
  const bySets = await forbidden(() => ipset.headers())
  if (byNft && bySets) throw byNft
  if (bySets) return { nft }
  return { nft: byNft ? absentNft(byNft) : nft, ipset, iptables }
}

async function forbidden(look: () => Promise<unknown>): Promise<Problem | undefined> {
  try {
    await look()
    return undefined
  } catch (error) {
    const problem = toProblem(error)
    if (problem.code === 'no_privilege') return problem
    if (problem.code === 'firewall_missing') return undefined
    throw problem
  }
}

function absentNft(cause: Problem) {
  return nftBy(async () => {
    throw new Problem('firewall_missing', 'nft is not for this user there', { cause })
  })
}

function sshOf({ ssh, ssh_key, ssh_known_hosts, backend, state_dir }: AgentSettings) {
  if (ssh === undefined) return undefined
  if (ssh_key === undefined || ssh_known_hosts === undefined)
    throw invalid(
      'ssh needs ssh_key and ssh_known_hosts beside it',
      'make a key of the agent alone (ssh-keygen -t ed25519), and a file with the one key by which the host is known',
    )
  if (backend === 'netlink')
    throw invalid(
      'the back end netlink cannot be used over SSH',
      'set backend to nft or ipset, or leave it out',
    )
  const to = { host: ssh, key: ssh_key, knownHosts: ssh_known_hosts, folder: state_dir }
  return { to: to satisfies SshTo, backend }
}

function invalid(message: string, remedy: string): Problem {
  return new Problem('setting_invalid', message, { remedy })
}
