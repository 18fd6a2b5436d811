/** Every fault that was measured in the nearest peers, as a sentence that holds here: service, agents, kernels, packets. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { BlockAction, StandingAction } from '#contract/action.ts'
import { lasting } from '../crash/listing.ts'
import { openStage, type Stage } from '../crash/stage.ts'
import { makeNode } from '../crash/stage-node.ts'
import { until } from '../crash/until.ts'
import { allReported } from '../crash/whole.ts'
import { delivers, type Host, host, ownNamespace, probePort } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const policy = `
version: 1
ceilings: { blocks_per_minute: 1000000, blocks_in_force: 1000000 }
rules: [{ name: severe, because: test, when: alert.severity >= 70, verdict: block, for: 10m }]
`

describe('what ails the peers', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  let numbers = 0
  before(async () => {
    const networks = ['203.0.113.0/24', '192.0.2.0/24', '2001:db8:a::/48', '2001:db8:b::/48']
    attacker = await host('attacker', networks)
    stage = await openStage({ policy, nodes: { 'web-01': [], 'db-01': [] } })
  })
  after(async () => {
    await stage.close()
    await attacker.close()
  })

  const next = () => `203.0.113.${++numbers}`
  const web = () => stage.node('web-01')
  const reaches = (from: string, name = 'web-01') => {
    const node = stage.node(name).host
    return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  }
  const ends = (address: string, name?: string) =>
    until(`the block of ${address} ends`, async () => !(await reaches(address, name)) && 'it holds')
  const statesOf = async (id: string) =>
    (await stage.ask('GET', `/v1/decisions/${id}`)).body.decision

  for (const [network, covered, beside] of [
    ['192.0.2.0/24', ['192.0.2.0', '192.0.2.1', '192.0.2.128', '192.0.2.255'], '203.0.113.254'],
    ['192.0.2.64/27', ['192.0.2.64', '192.0.2.95'], '192.0.2.96'],
    [
      '2001:db8:a::/48',
      ['2001:db8:a::', '2001:db8:a::1', '2001:db8:a:ffff:ffff:ffff:ffff:ffff'],
      '2001:db8:b::1',
    ],
    ['2001:db8:a:7::/64', ['2001:db8:a:7::1', '2001:db8:a:7:ffff::'], '2001:db8:a:8::1'],
  ] as const)
    test(`a block of ${network} is not one of its first address`, async () => {
      const { id, message } = await stage.block(network)
      assert.equal(message, 'in the kernel of 2 of 2 nodes')
      for (const address of covered) assert.equal(await reaches(address), false, address)
      assert.equal(await reaches(beside), true, beside)
      await stage.lift(id)
      for (const address of covered) assert.equal(await reaches(address), true, address)
    })

  test('a longer block extends a running one, and a shorter one does not shorten it', async () => {
    const address = next()
    const { id } = await stage.block(address, { for: '1s' })
    await stage.block(address, { for: '10m' })
    await stage.block(address, { for: '1s' })
    await until('the short ones end', async () => (await statesOf(id))?.state !== 'ended' && 'no')
    assert.equal(await reaches(address), false)
    await stage.settled()
  })

  test('a longer block by alerts extends a running one too', async () => {
    const address = next()
    const { id } = await stage.block(address, { for: '1s' })
    await stage.alert({ id: 'longer', attacker: address, severity: 80 })
    await until('the short one ends', async () => (await statesOf(id))?.state !== 'ended' && 'no')
    assert.equal(await reaches(address), false)
  })

  test('everything, half of it, and what is special cannot be blocked', async () => {
    for (const target of ['0.0.0.0/0', '128.0.0.0/1', '0.0.0.0/1', '::/0', '8000::/1']) {
      const { status, body } = await stage.ask('POST', '/v1/decisions', order(target))
      assert.deepEqual([target, status, body.code], [target, 422, 'too_wide'])
    }
    for (const target of ['127.0.0.1', '::1', '224.0.0.0/8', 'fe80::1', '255.255.255.255']) {
      const { status, body } = await stage.ask('POST', '/v1/decisions', order(target))
      assert.deepEqual([target, status, body.code], [target, 409, 'protected_target'])
    }
    const all = { id: 'all', attacker: '0.0.0.0/0', rule: 'test', severity: 99 }
    const { items } = await stage.alert(all)
    assert.notEqual(items[0]?.alerts?.[0]?.outcome, 'block')
  })

  test('the address of the service is not blocked, by a person, an alert, or with a stolen key', async () => {
    for (const target of ['198.51.100.1', '198.51.100.0/24']) {
      const { status, body } = await stage.ask('POST', '/v1/decisions', order(target))
      assert.deepEqual([status, body.code], [409, 'protected_target'])
    }
    const { items } = await stage.alert({ id: 'own', attacker: '198.51.100.1', severity: 99 })
    assert.notEqual(items[0]?.alerts?.[0]?.outcome, 'block')
    for (const [index, target] of ['198.51.100.1', '198.51.0.0/16', '0.0.0.0/0'].entries()) {
      const answers = await said(stage, 'all', signed(index, target), 2)
      assert.ok(
        answers.every((one) => /^refused (protected_target|too_wide)$/.test(one)),
        `${answers}`,
      )
    }
    await lifted(stage, next())
  })

  test('a node does not block itself, whoever signed that', async () => {
    const node = web()
    const action = { ...signed(10, node.host.address4), direction: 'both' as const }
    assert.deepEqual(await said(stage, 'node/web-01', action, 1), ['refused protected_target'])
    await lifted(stage, next())
  })

  for (const [sentence, between] of [
    ['is stopped and started', async () => web().stop()],
    ['is killed and started', async () => web().kill()],
    [
      'is upgraded to a version with another table',
      async () => {
        await web().stop()
        await web().nft('add set inet cordon of_another_version { type ipv4_addr; }')
      },
    ],
  ] as const)
    test(`not one packet of a blocked source passes while the agent ${sentence}`, async () => {
      const address = next()
      await stage.block(address)
      await attacker.flood(address, web().host.address4, `flood ${address}`)
      await between()
      await web().start()
      await web().connected()
      await stage.settled()
      const sent = await attacker.stopFlood()
      assert.equal(await reaches(address), false)
      assert.ok(sent > 100, `${sent} were sent`)
      assert.equal(await web().host.count(`flood ${address}`), 0)
      const { rules } = await web().kernel()
      assert.equal(new Set(rules).size, rules.length, 'no rule is there twice')
    })

  test('a block that is lifted and ordered again holds, and no old timer ends it', async () => {
    const address = next()
    const { id } = await stage.block(address, { for: '2s' })
    await stage.lift(id)
    assert.equal(await reaches(address), true)
    await stage.block(address)
    const clock = next()
    await stage.block(clock, { for: '3s' })
    await ends(clock)
    assert.equal(await reaches(address), false)
  })

  test('all heals by itself at the word of the kernel after somebody flushes the ruleset', async () => {
    const address = next()
    await stage.block(address)
    const { rules } = await web().kernel()
    await web().nft('flush', 'ruleset')
    await until('the block is back', async () => (await reaches(address)) && 'it passes')
    await stage.settled()
    assert.deepEqual(lasting((await web().kernel()).rules), lasting(rules))
    // Nobody waited for the routine look, which comes every ten minutes.
    await until('it says why', async () => {
      const { last_healing } = await web().status()
      return !/deleted by nft/.test(last_healing?.why ?? '') && JSON.stringify(last_healing)
    })
  })

  test('an agent starts and enforces while the service is away, and finds it when it comes', async () => {
    const address = next()
    await stage.block(address)
    await stage.service.kill()
    await web().kill()
    await web().nft('delete', 'table', 'inet', 'cordon')
    assert.equal(await reaches(address), true)
    await web().start()
    assert.equal(await reaches(address), false)
    const { enforcing, connected } = await web().status()
    assert.deepEqual([enforcing, connected], [true, false])
    await stage.service.start()
    for (const node of stage.nodes) await node.connected()
    await lifted(stage, next())
  })

  test('of eight writers at once none is refused, and each block reaches every node, also one that comes back', async () => {
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let index = 0; index < 25; index++) {
        const attacker = `198.18.${writer}.${index}`
        await stage.alert({ id: attacker, attacker, severity: 80 })
      }
    })
    const node = stage.node('db-01')
    await node.kill()
    await node.start()
    await Promise.all(writers)
    await stage.settled()
    for (const node of stage.nodes) {
      const held = [...(await node.kernel()).blocks.keys()]
      assert.equal(held.filter((key) => key.startsWith('in 198.18.')).length, 200)
    }
    await allReported(stage)
  })

  test('two agents with one identity both get every block', async () => {
    const folder = join(stage.dir, 'twin')
    cpSync(join(stage.dir, 'db-01'), folder, {
      recursive: true,
      filter: (path) => !/\.(sock|lock)$/.test(path),
    })
    const twin = await makeNode('twin', { state_dir: folder, enforce: true })
    try {
      await twin.start()
      await twin.connected()
      for (let index = 0; index < 20; index++) await stage.block(`198.19.0.${index}`)
      await stage.settled()
      await until('the twin holds them all', async () => {
        const held = [...(await twin.kernel()).blocks.keys()]
        const count = held.filter((key) => key.startsWith('in 198.19.0.')).length
        return count !== 20 && `${count}`
      })
    } finally {
      await twin.kill()
      await twin.host.close()
    }
  })

  test('a block for one interface or port is of that and no more, and a whole host is not blocked for it', async () => {
    const address = next()
    const scopes: [Pick<StandingAction, 'interface' | 'protocol' | 'ports'>, boolean][] = [
      [{ interface: 'none0' }, true],
      [{ protocol: 'tcp', ports: ['22'] }, true],
      [{ protocol: 'udp', ports: [`${probePort}`] }, false],
    ]
    for (const [index, [scope, passes]] of scopes.entries()) {
      const action = { ...signed(20 + index, address), ...scope }
      const asked = async () => assert.equal(await reaches(address), passes, JSON.stringify(scope))
      assert.deepEqual(await said(stage, 'all', action, 2, asked), ['applied null', 'applied null'])
    }
    await lifted(stage, next())
    assert.equal(await reaches(address), true)
  })

  test('the answer does not say done while the agents are dead', async () => {
    await Promise.all(stage.nodes.map((node) => node.kill()))
    const address = next()
    const { body } = await stage.ask('POST', '/v1/decisions?wait_s=1', order(address))
    const { id, state, message } = body.decision ?? (await stage.block(address))
    assert.deepEqual([state, message], ['issued', 'in the kernel of 0 of 2 nodes'])
    for (const node of stage.nodes) await node.start()
    await stage.settled()
    await allReported(stage)
    assert.equal((await statesOf(id))?.message, 'in the kernel of 2 of 2 nodes')
  })

  test('a kernel that refuses is reported as failed, and as applied once it takes', async () => {
    await web().tell({ do: 'refuse', refuse: true })
    const address = next()
    const { id, nodes, message } = await stage.block(address)
    assert.deepEqual([nodes.applied, nodes.failed], [1, 1])
    assert.equal(message, 'in the kernel of 1 of 2 nodes, 1 refused or failed')
    assert.equal(await reaches(address), true)
    assert.equal((await web().status()).enforcing, false)
    await web().tell({ do: 'refuse', refuse: false })
    await until('it is applied', async () => {
      const now = await statesOf(id)
      return now?.nodes.applied !== 2 && now?.message
    })
    assert.equal(await reaches(address), false)
    await stage.settled()
  })

  test('applied is never said before the kernel has confirmed', async () => {
    await web().tell({ do: 'hold', hold: true })
    const address = next()
    const asked = { ...order(address), audience: ['node/web-01'] }
    const { body } = await stage.ask('POST', '/v1/decisions?wait_s=1', asked)
    assert.deepEqual([body.decision?.state, body.decision?.nodes.applied], ['issued', 0])
    assert.equal(await reaches(address), true)
    await web().tell({ do: 'hold', hold: false })
    await until('it is applied', async () => {
      const now = await statesOf(body.decision?.id ?? '')
      return now?.state !== 'applied' && now?.state
    })
    assert.equal(await reaches(address), false)
  })

  test('a lifted block is out of every kernel when the answer says so', async () => {
    const address = next()
    const { id } = await stage.block(address)
    for (const { name } of stage.nodes) assert.equal(await reaches(address, name), false)
    const { state, nodes } = await stage.lift(id)
    assert.deepEqual([state, nodes.ended], ['ended', 2])
    for (const { name } of stage.nodes) assert.equal(await reaches(address, name), true)
    for (const node of stage.nodes)
      assert.equal((await node.kernel()).blocks.has(`in ${address}`), false)
  })

  test('of two decisions on one address either may be lifted, and the other holds to its end', async () => {
    const [first, second] = [next(), next()]
    const long = await stage.block(first)
    await stage.block(first, { for: '3s' })
    const brief = await stage.block(second, { for: '5m' })
    const other = await stage.block(second)
    await stage.lift(long.id)
    await stage.lift(brief.id)
    await stage.settled()
    assert.deepEqual([await reaches(first), await reaches(second)], [false, false])
    await ends(first)
    assert.equal(await reaches(second), false)
    await stage.lift(other.id)
    assert.equal(await reaches(second), true)
  })

  test('of a host and networks around it each may be lifted, and the answer says what still covers it', async () => {
    const address = '192.0.2.70'
    const hosts = await stage.block(address)
    const rare = await stage.block('192.0.2.64/27')
    const common = await stage.block('192.0.2.0/24')
    const { body } = await stage.ask('POST', '/v1/addresses/lift', { target: address, reason: 'x' })
    assert.deepEqual(
      [body.lifted.map(({ id }) => id), body.still_covered_by.map(({ id }) => id).sort()],
      [[hosts.id], [rare.id, common.id].sort()],
    )
    await stage.settled()
    assert.equal(await reaches(address), false)
    await stage.lift(common.id)
    assert.deepEqual([await reaches(address), await reaches('192.0.2.1')], [false, true])
    await stage.lift(rare.id)
    assert.equal(await reaches(address), true)
  })

  test('blocks that are lifted in the moment in which they end break nothing', async () => {
    const brief = await Promise.all(
      Array.from({ length: 30 }, (_, index) => stage.block(`198.19.1.${index}`, { for: '1s' })),
    )
    const stays = next()
    const lifts = brief.map(async ({ id, not_after }, index) => {
      const left = Date.parse(not_after ?? '') - Date.now() + (index % 10) - 6
      await new Promise((resolve) => setTimeout(resolve, left))
      return stage.ask('POST', `/v1/decisions/${id}/lift`, { reason: 'test' })
    })
    await Promise.all([...lifts, stage.block(stays)])
    await stage.settled()
    assert.equal(await reaches(stays), false)
    for (const node of stage.nodes) {
      const { problems, enforcing } = await node.status()
      assert.deepEqual([problems, enforcing], [[], true])
    }
  })

  test('a flow that stands is cut with the block, without waiting for it to end', async () => {
    const address = next()
    const flow = await attacker.open(address, web().host.address4)
    await attacker.say(flow, 'before')
    assert.equal(await web().host.arrived('before', 5_000), true)
    await stage.block(address)
    await attacker.say(flow, 'after')
    assert.equal(await reaches(address), false)
    assert.equal(await web().host.arrived('after', 100), false)
  })
})

function order(target: string) {
  return { target, for: '10m', reason: 'test' }
}

function signed(number: number, target: string): BlockAction {
  const now = Date.now()
  const decision = `d-${String(number).padStart(16, '0')}`
  const block = { action: 'block', direction: 'in', issued: now, not_after: now + 600_000 } as const
  return { ...block, decision, target, reason: 'test' }
}

/** What so many nodes answered to an order that a stolen key signed; it is lifted then. */
async function said(
  stage: Stage,
  audience: string,
  action: BlockAction,
  count: number,
  meanwhile: () => Promise<void> = async () => {},
): Promise<string[]> {
  const { decision, target, issued, reason } = action
  await stage.service.tell({ do: 'sign', audience, action })
  let answers: string[] = []
  await until(`${count} nodes answer`, async () => {
    const rows = await stage.stored((store) =>
      store.selectFrom('receipts').selectAll().where('decision', '=', decision).execute(),
    )
    answers = rows.map(({ status, code }) => `${status} ${code}`)
    return answers.length < count && `${answers}`
  })
  await meanwhile()
  const lift = { action: 'lift', decision, target, issued, reason } as const
  await stage.service.tell({ do: 'sign', audience, action: lift })
  return answers
}

/** The way of an order to the kernels and back is whole. */
async function lifted(stage: Stage, address: string): Promise<void> {
  const { id } = await stage.block(address)
  const { nodes } = await stage.lift(id)
  assert.deepEqual([nodes.of, nodes.ended], [2, 2])
}
