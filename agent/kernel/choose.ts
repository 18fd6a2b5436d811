/** Which back end this node uses: netlink, else nft, or none that enforces. */
import { type Problem, toProblem } from '#contract/problem.ts'
import type { Carrier, Proven } from './carrier.ts'
import { dryRunFirewall } from './dry-run.ts'
import type { Firewall } from './firewall.ts'
import { type Nft, nftCarrier, nftProgram } from './nft.ts'
import { prove } from './proof.ts'
import { kernelFirewall } from './table.ts'

export type FirewallChoice = {
  /** False: nothing is touched, what would be done is printed. */
  enforce: boolean
  backend?: 'auto' | 'netlink' | 'nft' | 'dry-run'
  print: (script: string) => void
  /** Epoch milliseconds, for what the dry run would hold. */
  now: () => number
  /** Another nft program or way to netlink, for tests. */
  nft?: Nft
  netlink?: () => Promise<Carrier>
}

/**
 * The back end that passed its self-test. Throws `firewall_missing` without nft and `no_privilege` without
 * CAP_NET_ADMIN; and when `netlink` is asked for by name, whatever surprised it.
 */
export async function chooseFirewall(choice: FirewallChoice): Promise<Firewall> {
  const { enforce, backend = 'auto', print, now, netlink = openCarrier } = choice
  if (!enforce || backend === 'dry-run') return dryRunFirewall(print, now)
  const nft = choice.nft ?? nftProgram()
  const hear = await hearing()
  if (backend === 'nft') return kernelFirewall(await prove(nftCarrier(nft), nft), nft, { hear })
  try {
    return kernelFirewall(await proveOrClose(await netlink(), nft), nft, { hear })
  } catch (error) {
    const problem = toProblem(error)
    if (backend === 'netlink' || nothingHelps(problem)) throw problem
    const fallback = why(problem)
    return kernelFirewall(await prove(nftCarrier(nft), nft), nft, { hear, fallback })
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

function nothingHelps({ code }: Problem): boolean {
  return code === 'firewall_missing' || code === 'no_privilege'
}

function why(problem: Problem): string {
  const cause = problem.cause instanceof Error ? `: ${problem.cause.message}` : ''
  return `netlink cannot be used: ${problem.message}${cause}`
}
