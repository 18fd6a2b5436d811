/** How steps reach the kernel: what netlink and nft each offer, and the firewall is built upon. */
import type { Address } from '#contract/address.ts'
import type { Expresses, SetName } from './firewall.ts'
import type { Capabilities, Step } from './transaction.ts'

export type Carrier = {
  readonly name: 'netlink' | 'nft'
  /** Netlink port of its own changes, when it holds one socket open. */
  readonly port: number | undefined
  /** One transaction; resolves when the kernel has confirmed it. Throws `kernel_refused`, `no_privilege`. */
  commit(table: string, steps: readonly Step[]): Promise<void>
  remaining(table: string, set: SetName, address: Address): Promise<number | undefined>
  close(): void
}

export type Proven = {
  readonly carrier: Carrier
  readonly can: Capabilities
  readonly expresses: Expresses
}
