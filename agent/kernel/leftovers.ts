/** What another back end left in the kernel: blocks and standing rules that no change would reach any more. */
import { type Problem, toProblem } from '#contract/problem.ts'
import { removePosture } from '../posture-script.ts'
import type { Firewall } from './firewall.ts'
import type { Ipset } from './ipset-program.ts'
import type { Iptables } from './iptables-program.ts'
import type { Nft } from './nft.ts'
import { removeTable } from './ruleset.ts'

/** They go when this one holds what is wished, so that nothing is missing meanwhile. */
export function withoutLeftovers(firewall: Firewall, clear: () => Promise<void>): Firewall {
  let left = true
  const clearOnce = async () => {
    if (!left) return
    left = false
    // Where it may be there the next change tries again.
    await clear().catch((error: unknown) => {
      left = mayBeThere(toProblem(error))
    })
  }
  return {
    ...firewall,
    async apply(changes) {
      await firewall.apply(changes)
      await clearOnce()
    },
    async replace(elements) {
      await firewall.replace(elements)
      await clearOnce()
    },
  }
}

/** A program of a machine that has no room for another one now. */
const passing: ReadonlySet<unknown> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'])

/** What is not there, or not for this user, left nothing: it is not asked again with each change. */
function mayBeThere({ code, cause }: Problem): boolean {
  if (code === 'no_privilege') return false
  if (code !== 'firewall_missing') return true
  return cause instanceof Error && 'code' in cause && passing.has(cause.code)
}

export async function clearIpset(ipset: Ipset, iptables: Iptables): Promise<void> {
  const sets = await ipset.headers()
  if (sets.size === 0) return
  // Loaded only now: most nodes never have any.
  const { clearSets } = await import('./leftover-sets.ts')
  await clearSets(new Set(sets.keys()), ipset, iptables)
}

/** No tables that an agent of today has made are there without nft. */
export async function clearTable(nft: Nft): Promise<void> {
  await nft.run(removeTable() + removePosture())
}
