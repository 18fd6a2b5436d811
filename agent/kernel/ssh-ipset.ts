/** The firewall of a host without an agent that has no nftables: its ipset and iptables, over a connection by SSH. */
import { toProblem } from '#contract/problem.ts'
import type { Firewall } from './firewall.ts'
import { ipsetFirewall } from './ipset.ts'
import { type Ipset, ipsetBy } from './ipset-program.ts'
import { proveIpset } from './ipset-proof.ts'
import { type Family, type Iptables, iptablesBy } from './iptables-program.ts'
import { clearIpset, clearTable, withoutLeftovers } from './leftovers.ts'
import { type RemoteNft, sshFirewall } from './ssh-firewall.ts'
import type { SshLine } from './ssh-line.ts'

/** `nft` has its way when it passes its self-test there; else what it lacked is told beside `ipset`. */
export type SshBackend = 'auto' | 'nft' | 'ipset'
export type RemoteSets = { ipset: Ipset; iptables: Iptables }

type SshChoice = { sets: RemoteSets; backend: SshBackend; monotonic: () => number }

/** Which families there are is asked of the host. Throws what `line` throws. */
export async function remoteSets(line: SshLine): Promise<RemoteSets> {
  const { code } = await line.run(['test', '-e', '/proc/net/if_inet6'])
  const families: Family[] = code === 0 ? [4, 6] : [4]
  return {
    ipset: ipsetBy((words, input) =>
      line.run(['ipset', ...words], { input: [...input].join(''), privileged: true }),
    ),
    iptables: iptablesBy(
      (name, words, input) => line.run([name, ...words], { input, privileged: true }),
      families,
    ),
  }
}

/** As on a host with an agent: nft first, else ipset. Throws what `line` throws, and what the first one lacked. */
export async function chooseSshFirewall(
  line: SshLine,
  nft: RemoteNft,
  { sets, backend, monotonic }: SshChoice,
): Promise<Firewall> {
  const { ipset, iptables } = sets
  if (backend === 'ipset') return openIpset(line, nft, sets)
  try {
    const firewall = await sshFirewall(line, nft, monotonic)
    return withoutLeftovers(firewall, () => clearIpset(ipset, iptables))
  } catch (error) {
    const first = toProblem(error)
    const isOfNft = first.code === 'firewall_missing' || first.code === 'kernel_refused'
    if (backend === 'nft' || !isOfNft) throw first
    return openIpset(line, nft, sets, first.message).catch((second: unknown) => {
      throw toProblem(second).code === 'firewall_missing' ? first : second
    })
  }
}

async function openIpset(
  line: SshLine,
  nft: RemoteNft,
  { ipset, iptables }: RemoteSets,
  lacked?: string,
): Promise<Firewall> {
  const can = await proveIpset(ipset, iptables)
  const why = lacked === undefined ? '' : `; nft cannot be used: ${lacked}`
  const fallback = `on ${line.host} by SSH${why}`
  const firewall = ipsetFirewall(ipset, iptables, { can, fallback })
  return withoutLeftovers(heedingLoss(line, firewall), () => clearTable(nft))
}

/** That the host is away is told at once, and not with the next look at its sets. */
function heedingLoss(line: SshLine, firewall: Firewall): Firewall {
  return {
    ...firewall,
    watch(changed) {
      let stopped = false
      line.lost(({ message }) => {
        if (!stopped) changed(message)
      })
      const stop = firewall.watch(changed)
      return () => {
        stopped = true
        stop()
      }
    },
  }
}
