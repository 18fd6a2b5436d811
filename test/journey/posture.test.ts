/** From a posture file to the kernels of a group, and back by itself where a node no longer reaches the service. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { openStage, type Stage } from '../crash/stage.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace, probePort } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const policy = `
version: 1
rules:
  - { name: rest, because: test, when: 'true', verdict: watch }
`
const posture = (verdict: string, more = '') => `
version: 1
postures:
  - for: group/web
    rules:
      - name: probe
        service: { protocol: udp, ports: ${probePort}, from: [203.0.113.0/25, "2001:db8:a::/64"], verdict: ${verdict} }
${more}`

describe('standing rules of a group', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    stage = await openStage({ policy, nodes: { 'web-01': ['web'], 'db-01': [] } })
  })
  after(async () => {
    await stage.close()
    await attacker.close()
  })

  test('are enforced on its nodes and on no other, and each says so', async () => {
    await apply(posture('drop'))
    await told('applied')
    for (const address of ['203.0.113.1', '2001:db8:a::7']) {
      assert.equal(await reaches('web-01', address), false, address)
      assert.equal(await reaches('db-01', address), true, address)
    }
    assert.equal(await reaches('web-01', '203.0.113.201'), true)
  })

  test('hold while the service is away, and from the first moment of a new agent', async () => {
    const node = stage.node('web-01')
    await stage.service.kill()
    await node.kill()
    await node.nft('flush', 'ruleset')
    await node.start()
    assert.equal(await reaches('web-01', '203.0.113.1'), false)
    await stage.service.start()
    await node.connected()
    await told('applied')
  })

  test('are put right when somebody takes the table away', async () => {
    await stage.node('web-01').nft('flush', 'ruleset')
    await until('it is cut again', async () => (await reaches('web-01', '203.0.113.1')) && 'open')
  })

  test('go back by themselves when nobody can begin a connection to the service under them', async () => {
    await stage.ask('GET', '/v1/posture')
    // The connections that stand go on: only a new one shows that the way is cut.
    const cut = 'add rule ip way input tcp dport 8055 tcp flags & (syn | ack) == syn drop'
    const chain = 'add chain ip way input { type filter hook input priority 0; }'
    await run('nft', [['add table ip way', chain, cut].join('; ')])
    await apply(posture('accept'), 10)
    await until('it is tried', async () => !(await reaches('web-01', '203.0.113.1')) && 'closed')
    await until('it is undone', async () => (await reaches('web-01', '203.0.113.1')) && 'open')
    await run('nft', ['delete table ip way'])
    await told('reverted')
    const { body } = await stage.ask('GET', '/v1/journal?subject=web-01&limit=100')
    assert.match(JSON.stringify(body), /posture\.reverted/)
  })

  test('are tried again when they are applied again, and go when they are removed', async () => {
    await apply(posture('accept'))
    await told('applied')
    assert.equal(await reaches('web-01', '203.0.113.1'), true)
    await apply(posture('drop'))
    await told('applied')
    assert.equal(await reaches('web-01', '203.0.113.1'), false)
    await stage.ask('POST', '/v1/posture/remove', { audience: 'group/web' })
    await until('they are gone', async () => !(await reaches('web-01', '203.0.113.1')) && 'cut')
    const tables = await stage.node('web-01').nft('list', 'tables')
    assert.equal(tables.includes('cordon_posture'), false)
  })

  test('let in whom a person allows, and nobody else, until that is lifted', async () => {
    await apply(`
version: 1
postures:
  - for: group/web
    default: drop
    rules:
      - name: path
        service: { from: [198.51.100.0/24, "2001:db8:ffff::/64"] }
`)
    await told('applied')
    for (const [address, other] of [
      ['203.0.113.7', '203.0.113.8'],
      ['2001:db8:a::7', '2001:db8:a::8'],
    ] as const) {
      assert.equal(await reaches('web-01', address), false)
      const allowed = await stage.block(address, { action: 'allow' })
      await until('it comes in', async () => !(await reaches('web-01', address)) && 'closed')
      assert.equal(await reaches('web-01', other), false)
      const node = stage.node('web-01')
      await node.kill()
      await node.nft('flush', 'ruleset')
      await node.start()
      await until('it comes in again', async () => !(await reaches('web-01', address)) && 'closed')
      assert.equal(await reaches('web-01', other), false)
      await node.connected()
      await stage.lift(allowed.id)
      await until('it is out again', async () => (await reaches('web-01', address)) && 'open')
    }
  })

  test('leave a node with its group', async () => {
    await apply(posture('drop'))
    await told('applied')
    await stage.ask('POST', '/v1/nodes/web-01/groups', { groups: [] })
    await until('they are gone', async () => !(await reaches('web-01', '203.0.113.1')) && 'cut')
  })

  async function apply(text: string, confirm = 60): Promise<void> {
    const { status, body } = await stage.ask('POST', '/v1/posture/apply', { text, confirm })
    assert.equal(status, 200, JSON.stringify(body))
  }

  /** What the only node of the group says of the newest version. */
  async function told(status: string): Promise<void> {
    await until(`web-01 says ${status}`, async () => {
      const { body } = await stage.ask('GET', '/v1/posture')
      const text = JSON.stringify(body)
      return !text.includes(`"node":"web-01","status":"${status}"`) && text
    })
  }

  function reaches(name: string, from: string): Promise<boolean> {
    const { host: node } = stage.node(name)
    return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  }
})
