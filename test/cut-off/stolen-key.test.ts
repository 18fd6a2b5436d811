/** Whoever stole the signing key cannot cut a node off by it: whatever he orders, in whatever words, the way stays whole. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Action, BlockAction } from '#contract/action.ts'
import { openStage, type Stage } from '../crash/stage.ts'
import { serviceAddress } from '../crash/stage-node.ts'
import { until } from '../crash/until.ts'
import { delivers, ownNamespace, type Party, thisNode } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'cordon-stolen-'))
after(() => rmSync(folder, { recursive: true }))
const list = join(folder, 'list.txt')
const policy = `
version: 1
rules: [{ name: rest, because: test, when: 'true', verdict: watch }]
`
const gateway = { 4: '203.0.113.254', 6: '2001:db8:66::fe' }
const admin = { network: '192.0.2.64/26', host: '192.0.2.77' }
const [nameServer, login, lease, elsewhere] = [
  '192.0.2.53',
  '192.0.2.9',
  '192.0.2.67',
  '192.0.2.200',
]

describe('a signed order to block', { skip: kernel.skip }, () => {
  let stage: Stage
  let service: Party
  let [own4, own6] = ['', '']
  before(async () => {
    writeFileSync(
      list,
      `${serviceAddress}\n${gateway[4]}\n198.51.100.0/24\n203.0.113.0/25\n2001:db8:ffff::/64\n`,
    )
    service = await thisNode()
    stage = await openStage({
      policy,
      nodes: { 'web-01': [] },
      lists: [{ name: 'wrong', file: list, enforce: true, audience: ['all'] }],
      agent: { admin_networks: admin.network, ipv6_prefix: 16 },
    })
    const { host } = stage.node('web-01')
    ;[own4, own6] = [host.address4, host.address6]
    await host.run('ip', 'route', 'replace', 'default', 'via', gateway[4], 'dev', 'eth0', 'onlink')
    await host.run(
      'ip',
      '-6',
      'route',
      'replace',
      'default',
      'via',
      gateway[6],
      'dev',
      'eth0',
      'onlink',
    )
    await stage.node('web-01').stop()
    await stage.node('web-01').start({ places: places(), named: [elsewhere] })
    await stage.node('web-01').connected()
  })
  after(async () => {
    await stage.close()
    await service.close()
  })

  const ways: [what: string, target: () => string, more?: Partial<BlockAction>][] = [
    ['the address of the node itself', () => own4],
    ['the IPv6 address of the node itself', () => own6],
    ['its default gateway', () => gateway[4]],
    ['its IPv6 gateway', () => gateway[6]],
    ['its name server', () => nameServer],
    ['the server that it has its addresses from', () => lease],
    ['the address of the service', () => serviceAddress],
    ['what goes out to the service', () => serviceAddress, { direction: 'out' }],
    ['what passes to the service', () => serviceAddress, { direction: 'forward' }],
    [
      'only the port of the service',
      () => serviceAddress,
      { direction: 'out', protocol: 'tcp', ports: ['8055'] },
    ],
    ['the service by rejecting', () => serviceAddress, { direction: 'both', response: 'reject' }],
    ['another address behind the name of the service', () => elsewhere],
    ['one host of an administration network', () => admin.host],
    ['a network around an administration network', () => '192.0.2.0/24'],
    ['half of an administration network', () => '192.0.2.64/27'],
    ['who is logged in', () => login],
    ['a network around the service and the node', () => '198.51.0.0/16'],
    ['an IPv6 network around the node', () => '2001:db8::/32'],
    ['loopback', () => '127.0.0.1'],
    ['IPv6 loopback', () => '::1'],
    ['the addresses by which neighbours are found', () => 'fe80::/64'],
    ['all hosts of the link at once', () => '224.0.0.1'],
    ['everything', () => '0.0.0.0/0'],
    ['half of everything', () => '128.0.0.0/1'],
    ['all of IPv6', () => '::/0'],
    ['the service as an IPv6 address that stands for it', () => `::ffff:${serviceAddress}`],
    ['the service in hexadecimal', () => '::ffff:c633:6401'],
    ['the service as NAT64 writes it', () => '64:ff9b::c633:6401'],
    ['the service with leading zeros', () => '198.051.100.001'],
    ['the service with a length', () => `${serviceAddress}/32`],
    ['a network that is not written as one', () => '198.51.100.77/24'],
  ]
  for (const [at, [what, target, more]] of ways.entries())
    test(`${what} is refused, and the way stays whole`, async () => {
      const action = order(at + 1, { direction: 'both', ...more, target: target() })
      await stage.service.tell({ do: 'sign', audience: 'all', action })
      await refused(action)
      await whole()
    })

  test('nothing but one packet an hour of the service is refused too', async () => {
    const block = order(90, { target: serviceAddress })
    await stage.service.tell({ do: 'sign', audience: 'all', action: block })
    const { reason, ...rest } = block
    const rate = { packets: 1, per: 'hour', burst: 1 } as const
    const limit: Action = { ...rest, reason, action: 'limit', rate }
    await stage.service.tell({ do: 'sign', audience: 'all', action: limit })
    await refused(block)
    await whole()
  })

  test('all of that at once in a whole state is refused one by one, with what is harmless taken', async () => {
    const harmless = order(91, { target: '203.0.113.7' })
    await stage.service.tell({ do: 'sign', audience: 'all', action: harmless })
    await stage.node('web-01').stop()
    rmSync(join(stage.dir, 'web-01', 'memory.jsonl'))
    await stage.node('web-01').start({ places: places(), named: [elsewhere] })
    await stage.node('web-01').connected()
    await until('the harmless one is in the kernel', async () => {
      const set = await stage.node('web-01').nft('list', 'set', 'inet', 'cordon', 'in_hosts4')
      return set.includes('203.0.113.7 ') ? undefined : set
    })
    await whole()
    assert.equal((await stage.node('web-01').status()).claims, 1)
  })

  test('a list that holds the service, the node and their networks cuts none of them', async () => {
    await until('the list is in force', async () => {
      const { feeds = [] } = await stage.node('web-01').status()
      return feeds[0]?.status === 'applied' ? undefined : JSON.stringify(feeds)
    })
    await whole()
  })

  /** Both ways, both families, and over connections that begin now. */
  const whole = async () => {
    const { host } = stage.node('web-01')
    for (const [a, b] of [
      [service.address4, host.address4],
      [service.address6, host.address6],
    ] as const) {
      assert.equal(await delivers(service, a, host, b), true)
      assert.equal(await delivers(host, b, service, a), true)
    }
    const words = ['-s', '-k', '-m', '20', '-o', '/dev/null', `https://${serviceAddress}:8055/`]
    await host.run('curl', ...words)
    assert.equal((await stage.node('web-01').status()).connected, true)
  }
  const refused = ({ decision }: Action) =>
    until(`${decision} is refused`, async () => {
      const { body } = await stage.ask('GET', `/v1/decisions/${decision}`)
      const said = JSON.stringify(body)
      return /"status":"refused"/.test(said) ? undefined : said
    })
})

function places() {
  const sessions = join(folder, 'sessions')
  const leases = join(folder, 'leases')
  for (const one of [sessions, leases]) mkdirSync(one, { recursive: true })
  writeFileSync(join(sessions, '1'), `UID=0\nREMOTE_HOST=${login}\nCLASS=user\n`)
  writeFileSync(join(leases, '2'), `ADDRESS=192.0.2.1\nSERVER_ADDRESS=${lease}\n`)
  writeFileSync(join(folder, 'resolv.conf'), `nameserver ${nameServer}\n`)
  return { sessions, leases: [leases], resolvers: [join(folder, 'resolv.conf')] }
}

function order(n: number, more: Partial<BlockAction>): BlockAction {
  const now = Date.now()
  return {
    action: 'block',
    decision: `d-${String(n).padStart(16, '0')}`,
    target: '',
    direction: 'both',
    issued: now,
    not_after: now + 600_000,
    reason: 'test',
    ...more,
  }
}
