/** Which iptables a host has. */
import { toProblem } from '#contract/problem.ts'
import type { Ended } from './program.ts'

export type Variant = {
  /** `unknown` where this user may not ask. */
  kind: 'legacy' | 'nft' | 'unknown'
  /** It can take chains of the kernel's away, and tells which are there: from 1.8.8 on. */
  dropsHooks: boolean
}

/** `ask` says `iptables v1.8.9 (nf_tables)`. Asked once, but for a host that is away for a moment. */
export function variantBy(ask: () => Promise<Ended>): () => Promise<Variant> {
  let known: Promise<Variant> | undefined
  return () => {
    known ??= ask().then(
      ({ output }) => readVariant(output),
      (error: unknown) => {
        if (!isForbidden(error)) known = undefined
        return { kind: 'unknown', dropsHooks: false }
      },
    )
    return known
  }
}

function readVariant(text: string): Variant {
  const [, version] = /^iptables v([\d.]+)/.exec(text) ?? []
  if (version === undefined) return { kind: 'unknown', dropsHooks: false }
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  // Before there were two the legacy one said nothing of it.
  const kind = text.includes('nf_tables') ? 'nft' : 'legacy'
  const at = major * 1_000_000 + minor * 1_000 + patch
  return { kind, dropsHooks: kind === 'nft' && at >= 1_008_008 }
}

/** Where this user may run other programs as root, but not that one, or it is not there. */
export function isForbidden(error: unknown): boolean {
  const { code } = toProblem(error)
  return code === 'no_privilege' || code === 'firewall_missing'
}
