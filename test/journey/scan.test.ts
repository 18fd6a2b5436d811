/** From a port scan to the kernel: the node sees it, tells the service, the policy blocks, the packets are dropped. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openStage, type Stage } from '../crash/stage.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const file = fileURLToPath(new URL('../kernel/scan-process.ts', import.meta.url))
const policy = `
version: 1
rules:
  - { name: scanners, because: it tries many ports in vain, when: 'alert.rule.id == "port_scan"', verdict: block, for: 10m }
`

describe('a host that scans a node', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    stage = await openStage({
      policy,
      nodes: { 'web-01': [], 'db-01': [] },
      connectors: ['portscan'],
      agent: { scan_sensor: true, scan_trusted: ['203.0.113.9'] },
    })
  })
  after(async () => {
    await stage?.close()
    await attacker?.close()
  })

  for (const source of ['203.0.113.7', '2001:db8:a::7'])
    test(`is blocked on every node, as ${source}`, { timeout: 150_000 }, async () => {
      assert.equal(await reaches('db-01', source), true)
      await scan(source, 'web-01')
      await until('the block is there', async () => (await reaches('web-01', source)) && 'open')
      await until('and elsewhere', async () => (await reaches('db-01', source)) && 'open')
      const { body } = await stage.ask('GET', `/v1/why?address=${encodeURIComponent(source)}`)
      assert.equal(body.blocked, true)
    })

  test('is let alone when it is trusted', async () => {
    await scan('203.0.113.9', 'web-01')
    await scan('203.0.113.10', 'web-01')
    await until(
      'the other is blocked',
      async () => (await reaches('web-01', '203.0.113.10')) && 'open',
    )
    assert.equal(await reaches('web-01', '203.0.113.9'), true)
  })

  test('leaves no table of the sensor when the agent ends, and the blocks stay', async () => {
    const node = stage.node('web-01')
    assert.match(await node.nft('list', 'tables'), /inet cordon_sensor/)
    await node.stop()
    assert.doesNotMatch(await node.nft('list', 'tables'), /cordon_sensor/)
    assert.equal(await reaches('web-01', '203.0.113.7'), false)
  })

  async function scan(source: string, name: string): Promise<void> {
    const to = [
      source.includes(':') ? stage.node(name).host.address6 : stage.node(name).host.address4,
    ]
    const order = { how: 'tcp', from: source, to, ports: [1, 30] }
    await attacker.run(process.execPath, file, JSON.stringify(order))
  }
  async function reaches(name: string, from: string): Promise<boolean> {
    const node = stage.node(name).host
    return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  }
})
