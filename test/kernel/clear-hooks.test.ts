/** That clearing leaves no empty chain of the kernel's in a table of others, which iptables-nft makes for the first rule there. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { beforeEach, describe, test } from 'node:test'
import type { PostureRule } from '#contract/posture.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { type Iptables, iptablesBy, iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { nftProgram } from '../../agent/kernel/nft.ts'
import { iptablesPostureTable } from '../../agent/kernel/posture-iptables.ts'
import { runProgram } from '../../agent/kernel/program.ts'
import { ipsetSensorTable } from '../../agent/kernel/sensor-ipset.ts'
import { tracesOf } from '../../agent/kernel/traces.ts'
import { posture } from '../agent/posture-node.ts'
import { ownNamespace } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { put } from './promises.ts'
import { element } from './scoped.ts'

const kernel = await ownNamespace(import.meta.url)
const skip = kernel.skipLarge || legacyTools('-nft').skip
const ipset = ipsetProgram()
const withoutNft: typeof runProgram = async (name, ...more) => {
  if (name === 'nft') throw Object.assign(new Error('spawn nft ENOENT'), { code: 'ENOENT' })
  return runProgram(name, ...more)
}

for (const [where, iptables] of [
  ['on a host with nft', iptablesProgram('-nft')],
  ['on a host without nft', iptablesBy(withoutNft, [4, 6], '-nft')],
] as const)
  describe(`clearing after ipset with iptables-nft ${where}`, { skip }, () => {
    const programs = { nft: nftProgram(), ipset, iptables }
    beforeEach(() => {
      shell('nft flush ruleset')
      for (const program of ['iptables-nft', 'ip6tables-nft']) {
        shell(`${program} -t raw -A OUTPUT -p 254 -j DROP`)
        shell(`${program} -t mangle -A INPUT -p 254 -j DROP`)
        shell(`${program} -A OUTPUT -p 254 -j DROP`)
      }
    })

    test('leaves the tables of others with the chains that they had, to the byte', async () => {
      const before = ruleset()
      await everything(iptables)
      assert.match(ruleset(), /chain PREROUTING[\s\S]*chain FORWARD/)
      for (const { remove } of await tracesOf(programs)) await remove()
      assert.equal(ruleset(), before)
    })

    test('leaves a chain into which others have put something meanwhile', async () => {
      await everything(iptables)
      shell('iptables-nft -t raw -A PREROUTING -p 253 -j DROP')
      shell('iptables-nft -t mangle -P FORWARD DROP')
      for (const { remove } of await tracesOf(programs)) await remove()
      const after = ruleset()
      assert.match(
        after,
        /chain PREROUTING \{[^}]*priority raw; policy accept;\n\t\tmeta l4proto 253 /,
      )
      assert.match(after, /chain FORWARD \{[^}]*policy drop;\n\t\}/)
      assert.doesNotMatch(after, /cordon/i)
    })

    for (const [whose, without] of [
      ['that has tables of others', ''],
      ['that has others in some tables only', 'mangle'],
      ['that has none', 'all'],
    ] as const)
      test(`is the same by the parts themselves, in whatever order they come and go, on a host ${whose}`, async () => {
        if (without === 'all') shell('nft flush ruleset')
        else if (without)
          for (const family of ['ip', 'ip6']) shell(`nft delete table ${family} mangle`)
        const before = ruleset()
        for (const [come, go] of orders) {
          const parts: Part[] = []
          for (const which of come) parts[which] = await makers[which](iptables)
          for (const which of go) await parts[which]?.()
          assert.equal(ruleset(), before, `made as ${come}, taken out as ${go}`)
        }
      })
  })

/** Of blocks, standing rules and the sensor: as they come, and as they go. */
const orders = [
  [
    [0, 1, 2],
    [0, 1, 2],
  ],
  [
    [2, 1, 0],
    [1, 0, 2],
  ],
  [
    [1, 2, 0],
    [2, 0, 1],
  ],
] as const

type Part = () => Promise<void>

/** How each is taken out again. */
const makers = [blocks, standingRules, sensor] as const

async function everything(iptables: Iptables): Promise<void> {
  for (const make of makers) await make(iptables)
}

async function blocks(iptables: Iptables): Promise<Part> {
  const firewall = ipsetFirewall(ipset, iptables)
  await firewall.prepare()
  await firewall.apply([put('in_hosts4', '203.0.113.7')])
  await firewall.setScoped([element('reject', 'in', '203.0.113.8')], 0)
  await firewall.close()
  return () => firewall.clear()
}

async function standingRules(iptables: Iptables): Promise<Part> {
  const table = iptablesPostureTable(ipset, iptables)
  await table.run({
    postures: [{ audience: 'all', version: 1, posture: posture([rule]).posture }],
    networks: () => [],
    here: [],
    now: 0,
  })
  return () => table.remove()
}

async function sensor(iptables: Iptables): Promise<Part> {
  const table = ipsetSensorTable(ipset, iptables)
  await table.make({ windowMs: 60_000, interfaces: [], udp: true, trusted: [] })
  return async () => void (await table.remove())
}

const rule: PostureRule = {
  ...{ rule: 'service', name: 'nobody', way: 'node' },
  ...{ protocol: 'udp', ports: ['4000'], verdict: 'drop' },
}

/** What else was made beside the tables is no rule, and others may have made it. */
function ruleset(): string {
  return shell('nft list ruleset; ipset list -name').replaceAll(/packets \d+ bytes \d+/g, '')
}

function shell(command: string): string {
  return execFileSync('sh', ['-c', command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
