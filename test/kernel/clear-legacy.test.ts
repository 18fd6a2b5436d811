/** What "agent clear" leaves behind with iptables-legacy, of which the kernel keeps a table that was used once. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { PostureRule } from '#contract/posture.ts'
import { chooseFirewall } from '../../agent/kernel/choose.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { iptablesPostureTable } from '../../agent/kernel/posture-iptables.ts'
import { commands } from '../../agent/main.ts'
import { posture } from '../agent/posture-node.ts'
import { ownNamespace } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { put } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const skip = kernel.skipLarge || legacyTools('-legacy').skip

describe('clearing after ipset with iptables-legacy', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-legacy-'))
  const path = process.env.PATH
  before(() => {
    for (const family of ['iptables', 'ip6tables'])
      for (const verb of ['', '-save', '-restore'])
        symlinkSync(shell(`command -v ${family}-legacy${verb}`).trim(), join(folder, family + verb))
    process.env.PATH = `${folder}:${path}`
    shell('iptables -t mangle -A INPUT -p 254 -j DROP')
  })
  after(() => {
    process.env.PATH = path
    rmSync(folder, { recursive: true, force: true })
  })

  test('says which tables stay and why, and those that were there before are as they were', async () => {
    const ours = saved('mangle')
    await block()
    await ruleThatGoesAgain()
    assert.match(saved('raw'), /:CORDON_MADE_TABLE /)
    const { code, out } = await clear()
    assert.equal(code, 0)
    // They would go where they are of modules and there is no other network namespace, as there is here.
    assert.match(out, /^left: empty iptables filter, iptables raw, ip6tables filter, .*: \w.*$/m)
    assert.doesNotMatch(out, /left: .*iptables mangle, iptables/)
    assert.equal(saved('mangle'), ours)
    assert.equal(saved('raw'), '*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n')
    assert.equal((await clear()).out, 'there is nothing of Cordon here\n')
  })

  async function block(): Promise<void> {
    const [backend, print] = ['ipset' as const, () => {}]
    const firewall = await chooseFirewall({ enforce: true, backend, print, now: Date.now })
    await firewall.prepare()
    await firewall.apply([put('in_hosts4', '203.0.113.7')])
    await firewall.close()
  }

  async function ruleThatGoesAgain(): Promise<void> {
    const rule: PostureRule = {
      ...{ rule: 'service', name: 'nobody', way: 'node' },
      ...{ protocol: 'udp', ports: ['4000'], verdict: 'drop' },
    }
    const all = posture([rule]).posture
    const postures = [{ audience: 'all', version: 1, posture: all }]
    const table = iptablesPostureTable(ipsetProgram(), iptablesProgram())
    await table.run({ postures, networks: () => [], here: [], now: 0 })
    await table.remove()
  }

  async function clear() {
    let out = ''
    const code = await commands.clear([], {
      out: (text) => {
        out += text
      },
      err: () => {},
      environment: { CORDON_AGENT_STATE_DIR: join(folder, 'state') },
    })
    return { code, out }
  }
})

function saved(table: string): string {
  return shell(`iptables-save -t ${table}`).replaceAll(/^# .*\n| \[\d+:\d+\]/gm, '')
}

function shell(command: string): string {
  return execFileSync('sh', ['-c', command], { encoding: 'utf8' })
}
