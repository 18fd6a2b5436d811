/** An agent that acts for a host without one, over a real sshd: what it orders there stops real packets. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import type { BlockAction } from '#contract/action.ts'
import { type Agent, runAgent } from '../../agent/agent.ts'
import { check } from '../../agent/check.ts'
import { makeIdentity } from '../../agent/identity.ts'
import { machine } from '../../agent/main.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { FakeService } from '../agent/fake-service.ts'
import { block, issuer, lift, serviceKey, today } from '../agent/signer.ts'
import { beforeEnd } from '../before-end.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'
import { type Sshd, sshd, withoutSshd } from './sshd.ts'

const kernel = await ownNamespace(import.meta.url)
const skip = kernel.skipLarge || withoutSshd()
const began = performance.now()
const now = () => today + performance.now() - began

describe('an agent that acts for a host by SSH', { skip }, () => {
  let remote: Host
  let attacker: Host
  let daemon: Sshd
  let service: FakeService
  let folder = ''
  let agent: Agent | undefined
  before(async () => {
    remote = await host('remote', [])
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    await remote.run('ip', 'addr', 'add', `${remote.address4}/32`, 'dev', 'eth0')
    await remote.run('ip', '-6', 'addr', 'add', `${remote.address6}/128`, 'dev', 'eth0', 'nodad')
    daemon = await sshd(remote)
    folder = mkdtempSync(join(tmpdir(), 'cordon-ssh-'))
    service = new FakeService(now, 'all', 'node/web-01')
    makeIdentity(folder)
    const url = `http://127.0.0.1:${await service.listen()}`
    const member = { node: 'web-01', groups: [], announced: 0, addresses: [] }
    writeMembership(folder, { ...member, url, issuer, keys: [serviceKey.public] })
  })
  afterEach(async () => {
    await agent?.stop()
    agent = undefined
    await remote.run('nft', 'destroy', 'table', 'inet', 'cordon').catch(() => {})
  })
  after(async () => {
    await service.close()
    await daemon.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('blocks there what comes to that host, lets it through when it is lifted, and nothing here', async () => {
    agent = await run()
    assert.equal(await reaches('203.0.113.1'), true)
    const receipts = await order(block(1, { target: '203.0.113.1' }))
    assert.deepEqual(receipts, ['applied'])
    assert.equal(await reaches('203.0.113.1'), false)
    assert.equal(await reaches('203.0.113.2'), true)
    await order(block(2, { target: '2001:db8:a::/64' }))
    assert.equal(await delivers(attacker, '2001:db8:a::1', remote, remote.address6), false)
    service.send('all', [lift(1)])
    await until('it passes again', async () => !(await reaches('203.0.113.1')) && 'it does not')
    const { backend, fallback, enforcing } = agent.status()
    assert.deepEqual([backend, enforcing], ['nft', true])
    assert.equal(fallback, `on root@${remote.address4} by SSH`)
    assert.equal(statSync(join(folder, 'ssh.sock')).mode & 0o777, 0o600)
  })

  test('lets blocks end there by the clock of that kernel', async () => {
    agent = await run()
    let times = 0
    const seen = await beforeEnd(2_500, async (ms) => {
      const not_after = Math.round(now()) + ms
      await order(block(300 + times++, { target: '203.0.113.3', not_after }))
      return reaches('203.0.113.3')
    })
    assert.equal(seen, false)
    await until('it has ended', async () => !(await reaches('203.0.113.3')) && 'it has not')
  })

  test('never blocks the addresses of that host, nor where it reaches it from itself', async () => {
    agent = await run()
    const peer = '198.51.100.1'
    for (const [at, target] of [
      remote.address4,
      remote.address6,
      peer,
      '198.51.100.0/28',
    ].entries())
      assert.deepEqual(await order(block(10 + at, { target, direction: 'both' })), ['refused'])
    const { protected: here } = agent.status()
    const why = (text: string) => here.find(({ address }) => address === text)?.why
    assert.equal(why(remote.address4), 'address of this node')
    assert.match(why(peer) ?? '', /the agent of this host/)
    assert.equal(await reaches(attacker.address4), true)
  })

  test('puts right within seconds what somebody does to its table there', async () => {
    agent = await run()
    await order(block(4, { target: '203.0.113.4' }))
    await remote.run('nft', 'flush', 'ruleset')
    assert.equal(await reaches('203.0.113.4'), true)
    await until('it is healed', async () => (await reaches('203.0.113.4')) && 'it is not')
    const why = () => agent?.status().last_healing?.why ?? ''
    await until('it says so', async () => why() === '' && 'it does not')
    assert.match(why(), /deleted/)
  })

  test('says that the host is away, leaves its blocks there, and goes on when it is back', {
    timeout: 240_000,
  }, async () => {
    agent = await run()
    await order(block(5, { target: '203.0.113.5' }))
    await daemon.stop()
    await until('it says so', async () => agent?.status().enforcing && 'it does not')
    assert.equal(agent.status().problems[0]?.code, 'host_unreachable')
    assert.equal(await reaches('203.0.113.5'), false)
    assert.deepEqual(await order(block(6, { target: '203.0.113.6' })), ['failed'])
    await daemon.start()
    await until('it is back', async () => !agent?.status().enforcing && 'it is not')
    assert.equal(await reaches('203.0.113.6'), false)
    await service.until(() =>
      service.heartbeats.some(({ events }) => events.some(({ kind }) => kind === 'degraded')),
    )
  })

  test('stopped and started again, leaves no moment without its blocks', async () => {
    agent = await run()
    await order(block(7, { target: '203.0.113.7' }))
    await agent.stop()
    assert.equal(await reaches('203.0.113.7'), false)
    agent = await run()
    assert.equal(await reaches('203.0.113.7'), false)
  })

  test('takes no host that shows another key, and says what to do', async () => {
    await assert.rejects(run({ CORDON_AGENT_SSH_KNOWN_HOSTS: daemon.wrongKnownHosts }), {
      code: 'host_untrusted',
      remedy: /ssh-keygen -lf/,
    })
  })

  test('says what to do when its key is not let in', async () => {
    await assert.rejects(run({ CORDON_AGENT_SSH_KEY: daemon.strangerKey }), {
      code: 'unauthenticated',
      remedy: /authorized_keys/,
    })
  })

  test('shows by a check what it found there', async () => {
    const settings = settingsWith({})
    const { lines, findings } = await check(settings, await onHere(settings))
    assert.match(
      lines[0] ?? '',
      /^yes host: root@\S+ answers; this agent comes from 198\.51\.100\.1$/,
    )
    assert.ok(findings.find(({ what }) => what === 'enforce')?.good)
    assert.ok(lines.some((line) => line.includes(`never blocked: ${remote.address4} `)))
    const wrong = settingsWith({ CORDON_AGENT_SSH_KNOWN_HOSTS: daemon.wrongKnownHosts })
    assert.equal((await check(wrong, await onHere(wrong))).good, false)
  })

  test('is seen on that host as logged in, while whoever only connects to its sshd is not', async () => {
    agent = await run()
    const words = [
      '-c',
      `exec 3<>/dev/tcp/${remote.address4}/22 && read -u 3 said && echo $said && exec sleep 30`,
    ]
    await attacker.run('ip', 'addr', 'add', '203.0.113.66/32', 'dev', 'eth0')
    const stranger = spawn('ip', ['netns', 'exec', 'attacker', 'bash', ...words])
    const [banner] = await once(stranger.stdout, 'data')
    assert.match(String(banner), /^SSH-2\.0/)
    const file = new URL('../../agent/ssh-peers.ts', import.meta.url).href
    const ask = `import('${file}').then((read) => console.log(read.sshPeers('/proc').join()))`
    const peers = (await remote.run(process.execPath, '-e', ask)).trim()
    stranger.kill()
    assert.deepEqual([...new Set(peers.split(','))], ['198.51.100.1'])
  })

  const reaches = (from: string) => delivers(attacker, from, remote, remote.address4)
  const settingsWith = (more: Record<string, string>) =>
    readAgentSettings({
      CORDON_AGENT_STATE_DIR: folder,
      CORDON_AGENT_ENFORCE: 'true',
      CORDON_AGENT_SSH: `root@${remote.address4}`,
      CORDON_AGENT_SSH_KEY: daemon.key,
      CORDON_AGENT_SSH_KNOWN_HOSTS: daemon.knownHosts,
      CORDON_AGENT_HEARTBEAT: '1s',
      ...more,
    })
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
  /** The first answer to it. */
  const order = async (action: BlockAction) => {
    const before = service.receipts.length
    service.send('all', [action])
    const of = () =>
      service.receipts.slice(before).filter((one) => one.decision === action.decision)
    await service.until(() => of().length > 0)
    return of()
      .slice(0, 1)
      .map(({ status }) => status)
  }
})
