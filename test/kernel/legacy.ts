/** Whether this machine has what hosts without nftables have. */
import { spawnSync } from 'node:child_process'

/**
 * Why not, if not. Where `CI` or `CORDON_REQUIRE_KERNEL` is set that is an error: nothing is skipped in silence. `variant`
 * as in `iptables-legacy`.
 */
export function legacyTools(variant: '' | '-legacy' | '-nft'): { skip: string | false } {
  const programs = ['ipset', `iptables${variant}-restore`, `ip6tables${variant}-restore`]
  const missing = programs.filter((name) => spawnSync(name, ['--version']).error !== undefined)
  if (missing.length === 0) return { skip: false }
  const reason = `without ${missing.join(', ')} (packages ipset and iptables)`
  if (process.env.CI || process.env.CORDON_REQUIRE_KERNEL) throw new Error(reason)
  return { skip: reason }
}
