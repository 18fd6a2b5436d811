/** From a list in a file to the kernels of the nodes that are to enforce it as a whole, and back again. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { openStage, type Stage } from '../crash/stage.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const policy = `
version: 1
rules:
  - { name: rest, because: test, when: 'true', verdict: watch }
`
const folder = mkdtempSync(join(tmpdir(), 'cordon-lists-'))
const file = join(folder, 'drop.txt')
const Shown = z.array(
  z.object({
    feed: z.string(),
    entries: z.int(),
    nodes: z.array(z.object({ node: z.string(), status: z.string() })),
  }),
)

describe('a list that one group enforces as a whole', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    writeFileSync(file, '203.0.113.0/25\n203.0.113.200\n2001:db8:a:1::/64\n')
    stage = await openStage({
      policy,
      nodes: { 'web-01': ['web'], 'db-01': [] },
      lists: [{ name: 'drop', file, enforce: true, audience: ['group/web'] }],
    })
  })
  after(async () => {
    await stage.close()
    await attacker.close()
    rmSync(folder, { recursive: true })
  })

  test('is cut on its nodes and on no other, and each says so', async () => {
    await told(3)
    for (const address of ['203.0.113.1', '203.0.113.200', '2001:db8:a:1::7']) {
      assert.equal(await reaches('web-01', address), false, address)
      assert.equal(await reaches('db-01', address), true, address)
    }
    assert.equal(await reaches('web-01', '203.0.113.201'), true)
  })

  test('holds while the service is killed, and while the agent is', async () => {
    const node = stage.node('web-01')
    const mark = 'killed by turns'
    await attacker.flood('203.0.113.1', node.host.address4, mark)
    await stage.service.kill()
    await node.kill()
    await node.start()
    await stage.service.start()
    await node.connected()
    await told(3)
    assert.ok((await attacker.stopFlood()) > 0)
    assert.equal(await reaches('web-01', '203.0.113.200'), false)
    assert.equal(await node.host.count(mark), 0)
  })

  test('is replaced when the file is', async () => {
    writeFileSync(file, '203.0.113.0/26\n203.0.113.240/28\n')
    await told(2)
    assert.equal(await reaches('web-01', '203.0.113.100'), true)
    assert.equal(await reaches('web-01', '203.0.113.1'), false)
    assert.equal(await reaches('web-01', '203.0.113.250'), false)
  })

  /** The service knows that the one node of the group enforces so many networks. */
  async function told(entries: number): Promise<void> {
    await until(`${entries} networks are enforced`, async () => {
      const { body } = await stage.ask('GET', '/v1/feeds')
      const [shown] = Shown.parse(body.feeds)
      const good = shown?.entries === entries && shown.nodes[0]?.status === 'applied'
      return !good && JSON.stringify(shown ?? 'none')
    })
  }
  async function reaches(name: string, from: string): Promise<boolean> {
    const node = stage.node(name).host
    return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  }
})
