/** Which back end this node uses: netlink, else nft, else ipset with iptables, or none that enforces. */
import { Problem, toProblem } from '#contract/problem.ts'
import type { Carrier, Proven } from './carrier.ts'
import type { Firewall } from './firewall.ts'
import { type Ipset, ipsetProgram } from './ipset-program.ts'
import { type Iptables, iptablesProgram } from './iptables-program.ts'
import { clearIpset, clearTable, withoutLeftovers } from './leftovers.ts'
import { type Nft, nftCarrier, nftProgram } from './nft.ts'
import { prove } from './proof.ts'
import { kernelFirewall } from './table.ts'

export type FirewallChoice = {
  /** False: nothing is touched, what would be done is printed. */
  enforce: boolean
  backend?: 'auto' | 'netlink' | 'nft' | 'ipset' | 'dry-run'
  print: (script: string) => void
  /** Epoch milliseconds, for what the dry run would hold. */
  now: () => number
  /** Other programs or another way to netlink, for tests. */
  nft?: Nft
  netlink?: () => Promise<Carrier>
  ipset?: Ipset
  iptables?: Iptables
}

/**
 * The best back end that passes its self-test. Throws `firewall_missing` where there is neither nft nor ipset with
 * iptables, `no_privilege` without CAP_NET_ADMIN; and whatever surprised the one that is asked for by name.
 */
export async function chooseFirewall(choice: FirewallChoice): Promise<Firewall> {
  const { enforce, backend = 'auto', print, now } = choice
  if (!enforce || backend === 'dry-run') {
    const { dryRunFirewall } = await import('./dry-run.ts')
    return dryRunFirewall(print, now)
  }
  if (backend !== 'auto') return waysOf(choice)[backend](undefined)
  let fallback: string | undefined
  let first: Problem | undefined
  for (const way of ['netlink', 'nft', 'ipset'] as const)
    try {
      return await waysOf(choice)[way](fallback)
    } catch (error) {
      const problem = toProblem(error)
      if (problem.code === 'no_privilege') throw problem
      fallback = why(way, problem)
      first ??= problem
    }
  throw first ?? new Problem('firewall_missing', 'there is no firewall on this node')
}

type Way = (fallback: string | undefined) => Promise<Firewall>

function waysOf(choice: FirewallChoice): Record<'netlink' | 'nft' | 'ipset', Way> {
  const {
    nft = nftProgram(),
    netlink = openCarrier,
    ipset = ipsetProgram(),
    iptables = iptablesProgram(),
  } = choice
  const through = async (open: () => Promise<Carrier>, fallback: string | undefined) => {
    const carrier = await open()
    const [proven, hear] = await Promise.all([proveOrClose(carrier, nft), hearing()])
    const told = fallback === undefined ? {} : { fallback }
    const firewall = kernelFirewall(proven, nft, { hear, ...told })
    return withoutLeftovers(firewall, () => clearIpset(ipset, iptables))
  }
  return {
    netlink: async (fallback) => {
      const firewall = await through(netlink, fallback)
      const { readingHits } = await import('./hits-dump.ts')
      return readingHits(firewall)
    },
    nft: (fallback) => through(async () => nftCarrier(nft), fallback),
    ipset: async (fallback) => {
      // Loaded only now, as whatever else most nodes never need.
      const { proveIpset } = await import('./ipset-proof.ts')
      const { ipsetFirewall } = await import('./ipset.ts')
      const can = await proveIpset(ipset, iptables)
      const firewall = ipsetFirewall(ipset, iptables, { can, fallback })
      return withoutLeftovers(firewall, () => clearTable(nft))
    },
  }
}

/** Loaded only now: koffi may have no build for this machine. */
async function openCarrier(): Promise<Carrier> {
  const { netlinkCarrier } = await import('./netlink.ts')
  return netlinkCarrier()
}

async function hearing() {
  try {
    const { watchTable } = await import('./watch.ts')
    return watchTable
  } catch {
    // Said where it matters: netlink then cannot be opened either, and that is told as the fallback.
    return undefined
  }
}

async function proveOrClose(carrier: Carrier, nft: Nft): Promise<Proven> {
  try {
    return await prove(carrier, nft)
  } catch (error) {
    carrier.close()
    throw error
  }
}

function why(way: 'netlink' | 'nft' | 'ipset', problem: Problem): string {
  const cause = problem.cause instanceof Error ? `: ${problem.cause.message}` : ''
  return `${way} cannot be used: ${problem.message}${cause}`
}
