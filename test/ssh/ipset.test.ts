/** An agent that acts by SSH for a host that has ipset and iptables but no nftables: its orders stop real packets. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { BlockAction } from '#contract/action.ts'
import { type Agent, runAgent } from '../../agent/agent.ts'
import { check } from '../../agent/check.ts'
import { makeIdentity } from '../../agent/identity.ts'
import { commands, type Io, machine } from '../../agent/main.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { FakeService } from '../agent/fake-service.ts'
import { block, issuer, lift, serviceKey, today } from '../agent/signer.ts'
import { beforeEnd } from '../before-end.ts'
import { until } from '../crash/until.ts'
import { legacyTools } from '../kernel/legacy.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'
import { programsBut } from '../programs-but.ts'
import { type Sshd, sshd, withoutSshd } from './sshd.ts'

const kernel = await ownNamespace(import.meta.url)
const skip = kernel.skipLarge || withoutSshd() || legacyTools('').skip
const began = performance.now()
const now = () => today + performance.now() - began

describe('an agent that acts by SSH for a host without nftables', { skip }, () => {
  let remote: Host
  let attacker: Host
  let daemon: Sshd
  let service: FakeService
  let folder = ''
  let programs = ''
  let agent: Agent | undefined
  let whole = ''
  before(async () => {
    remote = await host('remote', [])
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    await remote.run('ip', 'addr', 'add', `${remote.address4}/32`, 'dev', 'eth0')
    await remote.run('ip', '-6', 'addr', 'add', `${remote.address6}/128`, 'dev', 'eth0', 'nodad')
    await remote.run('iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT')
    await remote.run('ip6tables', '-t', 'mangle', '-A', 'FORWARD', '-j', 'MARK', '--set-mark', '7')
    await remote.run('ipset', 'create', 'theirs', 'hash:net')
    programs = programsBut('nft')
    daemon = await sshd(remote, programs)
    folder = mkdtempSync(join(tmpdir(), 'cordon-ssh-'))
    service = new FakeService(now, 'all', 'node/web-01')
    makeIdentity(folder)
    const url = `http://127.0.0.1:${await service.listen()}`
    const member = { node: 'web-01', groups: [], announced: 0, addresses: [] }
    writeMembership(folder, { ...member, url, issuer, keys: [serviceKey.public] })
    whole = await filter()
  })
  afterEach(async () => {
    await agent?.stop()
    agent = undefined
    await call(['--yes'])
  })
  after(async () => {
    await service?.close()
    await daemon?.close()
    for (const one of [folder, programs]) rmSync(one, { recursive: true, force: true })
  })

  test('blocks there what comes to that host until it is lifted, and says by what and why', async () => {
    agent = await run()
    assert.equal(await reaches('203.0.113.1'), true)
    assert.deepEqual(await order(block(1, { target: '203.0.113.1' })), ['applied'])
    assert.equal(await reaches('203.0.113.1'), false)
    assert.equal(await reaches('203.0.113.2'), true)
    assert.deepEqual(await order(block(2, { target: '2001:db8:a::/64' })), ['applied'])
    assert.equal(await delivers(attacker, '2001:db8:a::1', remote, remote.address6), false)
    service.send('all', [lift(1)])
    await until('it passes again', async () => !(await reaches('203.0.113.1')) && 'it does not')
    const { backend, fallback, enforcing } = agent.status()
    assert.deepEqual([backend, enforcing], ['ipset', true])
    const name = `root@${remote.address4}`
    assert.equal(fallback, `on ${name} by SSH; nft cannot be used: ${name} has no program nft`)
  })

  test('lets blocks end there by the clock of that kernel', async () => {
    agent = await run({ CORDON_AGENT_BACKEND: 'ipset' })
    assert.equal(agent.status().fallback, `on root@${remote.address4} by SSH`)
    let times = 0
    const seen = await beforeEnd(2_500, async (ms) => {
      const not_after = Math.round(now()) + ms
      await order(block(300 + times++, { target: '203.0.113.3', not_after }))
      return reaches('203.0.113.3')
    })
    assert.equal(seen, false)
    await until('it has ended', async () => !(await reaches('203.0.113.3')) && 'it has not')
  })

  test('puts right what somebody does to its chains there', { timeout: 240_000 }, async () => {
    agent = await run()
    await order(block(4, { target: '203.0.113.4' }))
    await remote.run('iptables', '-t', 'raw', '-F', 'CORDON_IN')
    assert.equal(await reaches('203.0.113.4'), true)
    await until('it is healed', async () => (await reaches('203.0.113.4')) && 'it is not')
    const why = () => agent?.status().last_healing?.why ?? ''
    await until('it says so', async () => why() === '' && 'it does not')
    assert.match(why(), /chain|rule/)
  })

  test('shows by a check what it would use there, and changes nothing', async () => {
    const settings = settingsWith({})
    const { lines, findings } = await check(settings, await onHere(settings))
    assert.ok(findings.find(({ what }) => what === 'enforce')?.good, lines.join('\n'))
    assert.ok(
      lines.some((line) => /ipset.*nft cannot be used/.test(line)),
      lines.join('\n'),
    )
    assert.equal(await filter(), whole)
  })

  test('where only nft is to be used, says that it is missing and what to install', async () => {
    await assert.rejects(run({ CORDON_AGENT_BACKEND: 'nft' }), {
      code: 'firewall_missing',
      remedy: /install the package nftables there/,
    })
  })

  test('notes there who tries ports in vain, and takes that out when it ends', async () => {
    agent = await run({ CORDON_AGENT_SCAN_SENSOR: 'true' })
    assert.deepEqual(agent.status().problems, [])
    const order = { how: 'tcp', from: '203.0.113.9', to: [remote.address4], ports: [100, 30] }
    const file = fileURLToPath(new URL('../kernel/scan-process.ts', import.meta.url))
    await attacker.run(process.execPath, file, JSON.stringify(order))
    const seen = await remote.run('ipset', 'save', 'cordon-sensor4-seen')
    assert.equal(seen.match(/^add \S+ 203\.0\.113\.9,tcp:1\d\d,/gm)?.length, 30)
    await agent.stop()
    agent = undefined
    assert.doesNotMatch(await filter(), /sensor/i)
  })

  test('leaves its blocks when it ends; clearing then leaves the rules of that host as they were', async () => {
    agent = await run()
    await order(block(5, { target: '203.0.113.5' }))
    await agent.stop()
    agent = undefined
    assert.equal(await reaches('203.0.113.5'), false)
    const { code, out } = await call([])
    assert.equal(code, 0, out)
    assert.match(out, /^taken out of root@\S+: .*iptables raw CORDON_IN,/m)
    assert.match(out, /^taken out of root@\S+: ipset cordon_in4$/m)
    assert.equal(await filter(), whole)
    assert.match((await call([])).out, /^there is nothing of Cordon on root@\S+\n$/)
  })

  const reaches = (from: string) => delivers(attacker, from, remote, remote.address4)
  const variables = (more: Record<string, string>) => ({
    CORDON_AGENT_STATE_DIR: folder,
    CORDON_AGENT_ENFORCE: 'true',
    CORDON_AGENT_SSH: `root@${remote.address4}`,
    CORDON_AGENT_SSH_KEY: daemon.key,
    CORDON_AGENT_SSH_KNOWN_HOSTS: daemon.knownHosts,
    CORDON_AGENT_HEARTBEAT: '1s',
    ...more,
  })
  const settingsWith = (more: Record<string, string>) => readAgentSettings(variables(more))
  const onHere = async (settings: ReturnType<typeof readAgentSettings>) => ({
    ...(await machine(settings, {
      out: () => {},
      err: (text) => void (process.env.CORDON_TEST_LOG && process.stderr.write(text)),
      environment: {},
    })),
    local: () => ({ wall: now(), uptime: performance.now(), boot: 'one' }),
    random: () => 0.01,
  })
  const run = async (more: Record<string, string> = {}): Promise<Agent> => {
    const settings = settingsWith(more)
    const started = await runAgent(settings, await onHere(settings))
    await service.until(() => service.streams === 1)
    return started
  }
  const call = async (args: string[]) => {
    const out: string[] = []
    const err: string[] = []
    const io: Io = {
      out: (text) => void out.push(text),
      err: (text) => void err.push(text),
      environment: variables({}),
    }
    const code = await commands.clear(args, io)
    return { code, out: out.join(''), err: err.join('') }
  }
  /** The first answer to it. */
  const order = async (action: BlockAction) => {
    const from = service.receipts.length
    service.send('all', [action])
    const of = () => service.receipts.slice(from).filter((one) => one.decision === action.decision)
    await service.until(() => of().length > 0)
    return of()
      .slice(0, 1)
      .map(({ status }) => status)
  }
  /** Everything in the firewall of the host but what is counted, also what iptables does not show. */
  const filter = async () => {
    const ruleset = await remote.run('nft', 'list', 'ruleset')
    const sets = await remote.run('ipset', 'list', '-name')
    return ruleset.replaceAll(/packets \d+ bytes \d+/g, '') + sets
  }
})
