/** Standing rules of a host without nftables that an agent acts for by SSH: real packets, and nothing that stays. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { PostureRule } from '#contract/posture.ts'
import { type Agent, runAgent } from '../../agent/agent.ts'
import { makeIdentity } from '../../agent/identity.ts'
import { commands, machine } from '../../agent/main.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { FakeService } from '../agent/fake-service.ts'
import { posture, postureStatement } from '../agent/posture-node.ts'
import { issuer, serviceKey, today } from '../agent/signer.ts'
import { until } from '../crash/until.ts'
import { legacyTools } from '../kernel/legacy.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'
import { type Sshd, sshd, withoutSshd } from './sshd.ts'

const kernel = await ownNamespace(import.meta.url)
const skip = kernel.skipLarge || withoutSshd() || legacyTools('').skip
const began = performance.now()
/** All but those over which the path itself is tried. */
const theirs = ['203.0.113.0/24', '2001:db8:a::/48']
const now = () => today + performance.now() - began

describe('standing rules by SSH on a host without nftables', { skip }, () => {
  let remote: Host
  let attacker: Host
  let daemon: Sshd
  let service: FakeService
  let folder = ''
  let agent: Agent | undefined
  let whole = ''
  before(async () => {
    remote = await host('remote', [])
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    await remote.run('ip', 'addr', 'add', `${remote.address4}/32`, 'dev', 'eth0')
    await remote.run('ip', '-6', 'addr', 'add', `${remote.address6}/128`, 'dev', 'eth0', 'nodad')
    await remote.run('iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT')
    daemon = await sshd(remote)
    folder = mkdtempSync(join(tmpdir(), 'cordon-ssh-posture-'))
    service = new FakeService(now, 'all', 'node/web-01')
    makeIdentity(folder)
    const url = `http://127.0.0.1:${await service.listen()}`
    const member = { node: 'web-01', groups: [], announced: 0, addresses: [] }
    writeMembership(folder, { ...member, url, issuer, keys: [serviceKey.public] })
    whole = await filter()
    await start()
  })
  after(async () => {
    await agent?.stop()
    await service?.close()
    await daemon?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('decide who may begin what with it, over IPv4 and IPv6, and are told as applied', async () => {
    assert.deepEqual(await passing(), [true, true, true, true])
    await give(1, [
      rule({ name: 'partner', from: ['203.0.113.7', '2001:db8:a::7'], verdict: 'accept' }),
      rule({ name: 'nobody else of there', from: theirs, verdict: 'drop' }),
    ])
    await isSaid(1, 'applied')
    assert.deepEqual(await passing(), [true, false, true, false])
  })

  test('take the place of one another, and go when none is left', async () => {
    await give(2, [rule({ name: 'not he', from: ['203.0.113.7'], verdict: 'drop' })])
    await isSaid(2, 'applied')
    assert.deepEqual(await passing(), [false, true, true, true])
    service.write('posture', postureStatement(today + 3, null))
    await isSaid(3, 'applied')
    assert.deepEqual(await passing(), [true, true, true, true])
  })

  test('on trial go by themselves from that host, when the agent has ended meanwhile', async () => {
    service.silentAt = '/v1/posture/receipt'
    const all = [rule({ name: 'nobody of there', from: theirs, verdict: 'drop' })]
    service.write('posture', postureStatement(today + 4, posture(all).posture, { confirm: 10 }))
    await isSaid(4, 'trying')
    await until('what is on trial judges there', async () => {
      const found = await passing()
      return found.includes(true) && found.join()
    })
    await agent?.stop()
    agent = undefined
    assert.deepEqual(await passing(), [false, false, false, false])
    await until('its kernel goes back', async () => {
      const found = await passing()
      return found.includes(false) && found.join()
    })
    service.silentAt = undefined
    await start()
    await isSaid(4, 'reverted')
    assert.deepEqual(await passing(), [true, true, true, true])
  })

  test('stay when the agent ends, until they are cleared, which leaves that host as it was', async () => {
    await give(5, [rule({ name: 'nobody of there', from: theirs, verdict: 'drop' })])
    await isSaid(5, 'applied')
    await agent?.stop()
    agent = undefined
    assert.deepEqual(await passing(), [false, false, false, false])
    const out: string[] = []
    const io = { out: (text: string) => void out.push(text), err: () => {} }
    assert.equal(await commands.clear(['--yes'], { ...io, environment: variables() }), 0)
    assert.match(out.join(''), /CORDON_POSTURE_/)
    assert.deepEqual(await passing(), [true, true, true, true])
    assert.equal(await filter(), whole)
  })

  const start = async () => {
    const settings = readAgentSettings(variables())
    agent = await runAgent(settings, {
      ...(await machine(settings, { out: () => {}, err: () => {}, environment: {} })),
      local: () => ({ wall: now(), uptime: performance.now(), boot: 'one' }),
      random: () => 0.01,
    })
    await service.until(() => service.streams === 1)
  }
  const variables = () => ({
    CORDON_AGENT_STATE_DIR: folder,
    CORDON_AGENT_ENFORCE: 'true',
    CORDON_AGENT_BACKEND: 'ipset',
    CORDON_AGENT_SSH: `root@${remote.address4}`,
    CORDON_AGENT_SSH_KEY: daemon.key,
    CORDON_AGENT_SSH_KNOWN_HOSTS: daemon.knownHosts,
    CORDON_AGENT_HEARTBEAT: '1s',
  })
  const give = async (version: number, rules: PostureRule[]) =>
    service.write('posture', postureStatement(today + version, posture(rules).posture))
  const isSaid = (version: number, status: string) =>
    until(`version ${version} is ${status}`, async () => {
      const last = service.heartbeats.at(-1)?.postures?.[0]
      const found = last && `${last.version - today} ${last.status} ${last.detail ?? ''}`
      return last?.version === today + version && last.status === status ? false : `it is ${found}`
    })
  /** Whether he and his neighbour come through, over either family. */
  const passing = async () => {
    const found: boolean[] = []
    for (const from of ['203.0.113.7', '203.0.113.8'])
      found.push(await delivers(attacker, from, remote, remote.address4))
    for (const from of ['2001:db8:a::7', '2001:db8:a::8'])
      found.push(await delivers(attacker, from, remote, remote.address6))
    return found
  }
  const filter = async () => {
    const saved = await Promise.all(
      ['iptables-save', 'ip6tables-save'].map((one) => remote.run(one)),
    )
    const rules = saved.join('').match(/^(-A|:(?!.* ACCEPT)).*$/gm) ?? []
    return [...rules, await remote.run('ipset', 'list', '-name')].join('\n')
  }
})

type Rule = { name: string; from?: readonly string[]; verdict: 'accept' | 'drop' }

/** About the port to which packets are sent here. */
function rule({ name, from, verdict }: Rule): PostureRule {
  return {
    ...{ rule: 'service', name, way: 'node', protocol: 'udp', ports: ['4000'], verdict },
    ...(from ? { from: { networks: [...from], countries: [] } } : {}),
  } as const
}
