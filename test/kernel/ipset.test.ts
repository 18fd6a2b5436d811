/** What the firewall of hosts without nftables promises, with either variant of iptables. */
import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { ownNamespace } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { keepsPromises } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)

for (const variant of ['-legacy', '-nft'] as const)
  describe(`ipset with iptables${variant}`, {
    skip: kernel.skip || legacyTools(variant).skip,
  }, () => {
    let firewall: Firewall
    before(async () => {
      firewall = ipsetFirewall(ipsetProgram(), iptablesProgram(variant))
      assert.equal(await firewall.prepare(), true)
      assert.equal(await firewall.prepare(), false)
    })
    after(async () => {
      await firewall.clear()
      await firewall.close()
    })
    keepsPromises(() => firewall)
  })
