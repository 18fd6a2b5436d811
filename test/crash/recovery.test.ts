/** Nodes and service find together again after outages, restored databases, new keys and long absences, by themselves. */
import assert from 'node:assert/strict'
import { copyFileSync, cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { beforeEnd } from '../before-end.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'
import { openStage, type Stage } from './stage.ts'
import { until } from './until.ts'
import { allReported } from './whole.ts'

const kernel = await ownNamespace(import.meta.url)
const policy = `
version: 1
ceilings: { blocks_per_minute: 1000000, blocks_in_force: 1000000 }
rules: [{ name: severe, because: test, when: alert.severity >= 70, verdict: block, for: 10m }]
`

describe('by itself', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  let numbers = 0
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    stage = await openStage({ policy, nodes: { 'web-01': ['web'], 'db-01': [] } })
  })
  after(async () => {
    await stage.close()
    await attacker.close()
  })

  const next = () => `203.0.113.${++numbers}`
  const reaches = (from: string, name = 'web-01') => {
    const node = stage.node(name).host
    return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  }
  const connected = async () => {
    for (const node of stage.nodes) if (node.running()) await node.connected()
  }

  const blocked = async (address: string, more?: object) => {
    await stage.block(address, more)
    await stage.settled()
  }
  const goesOn = async () => {
    const address = next()
    await stage.alert(record(address))
    await stage.settled()
    await allReported(stage)
    for (const { name } of stage.nodes) assert.equal(await reaches(address, name), false)
  }

  test('a fleet finds a service that is put back to yesterday, and goes on with it', async () => {
    const old = next()
    await stage.block(old)
    await stage.service.stop()
    const backup = `${stage.service.database}.backup`
    copyFileSync(stage.service.database, backup)
    await stage.service.start()
    await connected()
    const lost = next()
    await stage.block(lost)
    assert.equal(await reaches(lost), false)
    await stage.service.kill()
    for (const end of ['', '-wal', '-shm'])
      rmSync(`${stage.service.database}${end}`, { force: true })
    copyFileSync(backup, stage.service.database)
    await stage.service.start()
    await until('the nodes let go of what the service knows nothing of', async () =>
      (await reaches(lost)) ? undefined : 'it is still blocked',
    )
    await connected()
    await stage.settled()
    assert.equal(await reaches(old), false)
    await goesOn()
    const { body } = await stage.ask('GET', '/v1/journal?limit=1000')
    assert.match(JSON.stringify(body.lines), /epoch\.begin/)
  })

  test('a service put back while the nodes were away, that signed other things since, finds them too', async () => {
    await stage.service.stop()
    const backup = `${stage.service.database}.backup`
    copyFileSync(stage.service.database, backup)
    await stage.service.start()
    await connected()
    const lost = [next(), next(), next()]
    for (const address of lost.slice(0, 2)) await stage.block(address)
    await Promise.all(stage.nodes.map((node) => node.kill()))
    await stage.service.kill()
    for (const end of ['', '-wal', '-shm'])
      rmSync(`${stage.service.database}${end}`, { force: true })
    copyFileSync(backup, stage.service.database)
    await stage.service.start()
    const others = [next(), next(), next()]
    for (const address of others) await stage.alert(record(address))
    for (const node of stage.nodes) await node.start()
    await connected()
    await stage.settled()
    assert.equal(await reaches(others[0] ?? ''), false)
    assert.equal(await reaches(lost[0] ?? ''), true)
    await goesOn()
  })

  test('a service that also lost a rotated key comes back with one order: a new epoch', async () => {
    await stage.service.stop()
    const { dir } = stage.service
    const backup = join(stage.dir, 'backup')
    cpSync(dir, backup, { recursive: true })
    await stage.service.start()
    await connected()
    await stage.ask('POST', '/v1/keys/rotate')
    const lost = next()
    await stage.block(lost)
    assert.equal(await reaches(lost), false)
    await stage.service.kill()
    rmSync(dir, { recursive: true })
    cpSync(backup, dir, { recursive: true })
    await stage.service.start()
    await until('the node says what to do', async () => {
      const { problems } = await stage.node('web-01').status()
      const told = problems.some(({ remedy }) => remedy?.includes('cordon epoch begin'))
      return !told && JSON.stringify(problems)
    })
    assert.equal((await stage.ask('POST', '/v1/epoch')).status, 200)
    await connected()
    await stage.settled()
    assert.equal(await reaches(lost), true)
    await goesOn()
  })

  test('a snapshot with one chunk missing changes nothing, and is taken once it is whole', {
    skip: kernel.skipLarge,
  }, async () => {
    const many = Array.from({ length: 6_000 }, (_, index) =>
      record(`198.18.${index >> 8}.${index & 255}`),
    )
    const node = stage.node('db-01')
    const held = next()
    await stage.block(held)
    await node.kill()
    const before = await node.kernel()
    await stage.service.tell({ do: 'loseLastChunk', lose: true })
    await stage.alert(...many)
    await stage.service.tell({ do: 'prune', now: Date.now() + 25 * 3_600_000 })
    await node.start()
    await until('the node says that the whole state is not whole', async () => {
      const { problems } = await node.status()
      const said = problems.some(({ code }) => code === 'snapshot_incomplete')
      return !said && JSON.stringify(problems)
    })
    assert.deepEqual(
      [...(await node.kernel()).blocks.keys()].sort(),
      [...before.blocks.keys()].sort(),
    )
    assert.equal(await reaches(held, 'db-01'), false)
    await stage.service.tell({ do: 'loseLastChunk', lose: false })
    await node.connected()
    await stage.settled()
    const { problems } = await node.status()
    assert.deepEqual(problems, [])
    const { body } = await stage.ask('POST', '/v1/addresses/lift', {
      target: '198.18.0.0/16',
      reason: 'test',
    })
    assert.equal(body.lifted.length, 6_000)
    await stage.settled()
  })

  test('a service that hangs and goes on loses and doubles nothing, and the nodes enforce meanwhile', async () => {
    const before = next()
    await stage.block(before)
    stage.service.signal('SIGSTOP')
    const addresses = [next(), next(), next()]
    const alerts = addresses.map((address) => stage.alert(record(address)))
    assert.equal(await reaches(before), false)
    assert.equal((await stage.node('web-01').status()).enforcing, true)
    stage.service.signal('SIGCONT')
    await Promise.all(alerts)
    await stage.settled()
    for (const address of addresses) assert.equal(await reaches(address), false)
    await allReported(stage)
  })

  test('an agent killed in the midst of a large load goes on with it, and none of 12,000 blocks is lost', {
    skip: kernel.skipLarge,
  }, async () => {
    const node = stage.node('db-01')
    await node.kill()
    const many = Array.from({ length: 12_000 }, (_, index) =>
      record(`198.18.${index >> 8}.${index & 255}`),
    )
    await stage.alert(...many.slice(0, 6_000))
    await stage.alert(...many.slice(6_000))
    await stage.service.tell({ do: 'prune', now: Date.now() + 25 * 3_600_000 })
    await node.start({ dieAt: 'applied' })
    await node.ended()
    const held = (await node.kernel()).blocks.size
    assert.ok(held < 12_000, `${held} were in the kernel`)
    await node.start()
    await node.connected()
    await stage.settled()
    assert.ok((await node.kernel()).blocks.size >= 12_000)
    await stage.ask('POST', '/v1/addresses/lift', { target: '198.18.0.0/16', reason: 'test' })
    await stage.settled()
  })

  test('a node that was away for longer than envelopes are kept takes the whole state', async () => {
    const node = stage.node('db-01')
    const [gone, stays, came] = [next(), next(), next()]
    const { id } = await stage.block(gone)
    await stage.block(stays)
    await node.kill()
    await stage.lift(id)
    await stage.block(came)
    await stage.service.tell({ do: 'prune', now: Date.now() + 25 * 3_600_000 })
    await node.start()
    await node.connected()
    await stage.settled()
    assert.deepEqual(
      [await reaches(gone, 'db-01'), await reaches(stays, 'db-01'), await reaches(came, 'db-01')],
      [true, false, false],
    )
    await until('it was a whole state', async () => {
      const { body } = await stage.ask('GET', '/v1/journal?subject=db-01&limit=1000')
      return !JSON.stringify(body.lines).includes('node.resynchronised') && 'not journalled'
    })
  })

  test('the agent works on through an outage of the service, and what came meanwhile is made good', async () => {
    const before = next()
    await stage.block(before)
    let brief = ''
    const seen = await beforeEnd(2_000, async (ms) => {
      if (brief !== '') await stage.service.start()
      await connected()
      brief = next()
      await stage.block(brief, { for: `${ms / 1_000}s` })
      await stage.service.kill()
      return [await reaches(before), await reaches(brief)]
    })
    assert.deepEqual(seen, [false, false])
    await until('the block ends by its time', async () =>
      (await reaches(brief)) ? undefined : 'no',
    )
    assert.equal(await reaches(before), false)
    const { enforcing, connected: follows } = await stage.node('web-01').status()
    assert.deepEqual([enforcing, follows], [true, false])
    await stage.service.start()
    const during = next()
    await stage.alert(record(during))
    await connected()
    await stage.settled()
    assert.equal(await reaches(during), false)
    await allReported(stage)
  })

  test('a node that reboots without a network enforces what is left of each block', async () => {
    const node = stage.node('web-01')
    const [long, short] = [next(), next()]
    await blocked(long, { for: '90m' })
    await blocked(short, { for: '30m' })
    await node.kill()
    await node.nft('delete', 'table', 'inet', 'cordon')
    assert.equal(await reaches(long), true)
    await node.reachService(false)
    await node.start({ reboot: { name: 'second boot', aheadMs: 3_600_000 } })
    const { blocks } = await node.kernel()
    assert.equal(blocks.has(`in ${short}`), false)
    const left = blocks.get(`in ${long}`) ?? 0
    assert.ok(left > 29 * 60 && left <= 30 * 60, `${left} s are left`)
    assert.equal((await node.status()).connected, false)
    await node.reachService(true)
    // The clock of the machine was wrong by an hour, which the service's clock shows.
    await node.connected()
    await stage.settled()
    assert.deepEqual([await reaches(long), await reaches(short)], [false, false])
  })

  test('a rotated key is learnt by a node that is connected and by one that is away', async () => {
    const away = stage.node('db-01')
    await away.stop()
    for (let rotation = 0; rotation < 2; rotation++) {
      assert.equal((await stage.ask('POST', '/v1/keys/rotate')).status, 200)
      const address = next()
      await blocked(address)
      assert.equal(await reaches(address), false)
    }
    await away.start()
    await away.connected()
    await stage.settled()
    await allReported(stage)
  })

  test('a regrouped node lets go of what was for its old group and takes what is for its new one', async () => {
    const [web, edge, all] = [next(), next(), next()]
    await blocked(web, { audience: ['group/web'] })
    await blocked(edge, { audience: ['group/edge'] })
    await blocked(all)
    assert.deepEqual([await reaches(web), await reaches(edge)], [false, true])
    await stage.ask('POST', '/v1/nodes/web-01/groups', { groups: ['edge'] })
    await stage.settled()
    assert.deepEqual(
      [await reaches(web), await reaches(edge), await reaches(all)],
      [true, false, false],
    )
    await stage.node('web-01').connected()
    const later = next()
    await blocked(later, { audience: ['group/edge'] })
    assert.equal(await reaches(later), false)
  })

  test('a node that is regrouped while it is away does the same when it comes back', async () => {
    const node = stage.node('web-01')
    const [edge, web] = [next(), next()]
    await blocked(edge, { audience: ['group/edge'] })
    await node.kill()
    await stage.ask('POST', '/v1/nodes/web-01/groups', { groups: ['web'] })
    await stage.block(web, { audience: ['group/web'], for: '10m' })
    assert.equal(await reaches(edge), false)
    await node.start()
    await node.connected()
    await stage.settled()
    assert.deepEqual([await reaches(edge), await reaches(web)], [true, false])
  })

  test('a revoked node enforces until the ends and gets nothing new', async () => {
    const node = stage.node('db-01')
    const [long, brief, fresh] = [next(), next(), next()]
    await blocked(long)
    await blocked(brief, { for: '2s' })
    await stage.ask('POST', '/v1/nodes/db-01/revoke')
    await stage.block(fresh)
    await stage.settled('web-01')
    assert.equal(await reaches(fresh), false)
    assert.deepEqual([await reaches(long, 'db-01'), await reaches(fresh, 'db-01')], [false, true])
    await until('the node says so', async () => {
      const { problems } = await node.status()
      return !problems.some(({ code }) => code === 'node_revoked') && JSON.stringify(problems)
    })
    await until('the block ends', async () => ((await reaches(brief, 'db-01')) ? undefined : 'no'))
    assert.equal(await reaches(long, 'db-01'), false)
    await node.kill()
    await node.start()
    assert.deepEqual([await reaches(long, 'db-01'), await reaches(fresh, 'db-01')], [false, true])
  })
})

let records = 0

function record(attacker: string) {
  return { id: `recovery-${++records}`, attacker, severity: 80 }
}
