/** A node that cuts itself off by a signed order, over a way that no guard knows of, finds back by itself. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { BlockAction } from '#contract/action.ts'
import { openStage, type Stage } from '../crash/stage.ts'
import { serviceAddress } from '../crash/stage-node.ts'
import { until } from '../crash/until.ts'
import { ownNamespace } from '../namespace.ts'

const run = promisify(execFile)
const kernel = await ownNamespace(import.meta.url)
const policy = `
version: 1
rules: [{ name: severe, because: test, when: alert.severity >= 70, verdict: block, for: 10m }]
`
/** The way of the packets is over this address, while the agent only knows that of the service. */
const hop = '203.0.113.50'

describe('a node whose way to the service goes over a hop that the guard cannot know', {
  skip: kernel.skip,
}, () => {
  let stage: Stage
  before(async () => {
    const agent = { dead_man_window: '4s', dead_man_after: '3s', heartbeat: '1s' }
    stage = await openStage({ policy, nodes: { 'web-01': [] }, agent })
    await translate(stage)
    await restarted(stage)
  })
  after(() => stage.close())

  test('and that is told to block it cuts itself off, takes that out, is back, and refuses it', {
    timeout: 240_000,
  }, async () => {
    const node = stage.node('web-01')
    await stage.service.tell({ do: 'sign', audience: 'all', action: order(1, '203.0.113.0/24') })
    await until('the block is in the kernel', async () => !(await isBlocked()) && 'it is not')
    await until('the node is cut off', async () => (await reaches()) && 'it is not')
    await until('it took the block out', async () => (await isBlocked()) && 'it did not')
    await node.connected()
    await receipt(1, 'refused')
    assert.equal(await reaches(20), true)
    await until('it is reported', async () => {
      const told = (await events('node.cut_off')).join()
      return /without d-\S+ \(203\.0\.113\.0\/24\) the service was found again/.test(told)
        ? false
        : `told: ${told}`
    })
    const said = String(await node.tell({ do: 'said' }))
    assert.match(said, /lost after these were applied.* d-\S+ \(203\.0\.113\.0\/24\)\n/)
    assert.match(said, /without d-\S+ \(203\.0\.113\.0\/24\) the service was found again/)
  })

  test('refuses what overlaps it at once, also after a restart', { timeout: 240_000 }, async () => {
    await restarted(stage)
    await stage.service.tell({ do: 'sign', audience: 'all', action: order(2, '203.0.113.48/28') })
    await receipt(2, 'refused')
    assert.equal(await isBlocked(), false)
    assert.equal(await reaches(20), true)
  })

  test('whose service is simply away puts the batch back', { timeout: 240_000 }, async () => {
    const node = stage.node('web-01')
    const blocked = async () =>
      (await node.nft('list', 'table', 'inet', 'cordon')).includes('192.0.2.77')
    await stage.service.tell({ do: 'sign', audience: 'all', action: order(3, '192.0.2.77') })
    await until('it is in the kernel', async () => !(await blocked()) && 'it is not')
    await receipt(3, 'applied')
    stage.service.signal('SIGSTOP')
    await until('it is taken out', async () => (await blocked()) && 'it is not')
    await until('it is put back', async () => !(await blocked()) && 'it is not')
    assert.match(
      String(await node.tell({ do: 'said' })),
      /did not come back either: again in force/,
    )
    stage.service.signal('SIGCONT')
    await node.connected()
    await until('it is reported', async () => (await events('node.put_back')).length === 0 && 'no')
    assert.equal(await blocked(), true)
  })

  test('whose agent is killed while it is cut off finds back all the same', {
    timeout: 240_000,
  }, async () => {
    const node = stage.node('web-01')
    const file = join(stage.dir, 'web-01', 'dead-man.json')
    await node.stop()
    rmSync(file, { force: true })
    await node.start()
    await node.connected()
    await stage.service.tell({ do: 'sign', audience: 'all', action: order(4, hop) })
    await until('it suspects', async () => {
      const kept = existsSync(file) ? readFileSync(file, 'utf8') : 'nothing'
      return kept.includes(order(4, hop).decision) ? undefined : kept
    })
    await node.kill()
    assert.equal(await reaches(), false)
    await node.start()
    await node.connected()
    await receipt(4, 'refused')
    assert.equal(await reaches(20), true)
  })

  const nft = (...words: string[]) => stage.node('web-01').nft(...words)
  const isBlocked = async () => {
    const sets = ['in_nets4_24', 'in_rare4'].map((set) => nft('list', 'set', 'inet', 'cordon', set))
    return (await Promise.all(sets)).some((listing) => /203\.0\.113\./.test(listing))
  }
  const reaches = async (withinS = 1) => {
    const { host } = stage.node('web-01')
    const words = [
      '-s',
      '-k',
      '-m',
      String(withinS),
      '-o',
      '/dev/null',
      `https://${serviceAddress}:8055/`,
    ]
    return host.run('curl', ...words).then(
      () => true,
      () => false,
    )
  }
  const receipt = (n: number, status: string) =>
    until(`decision ${n} is ${status}`, async () => {
      const { body } = await stage.ask('GET', `/v1/decisions/${order(n, hop).decision}`)
      return !JSON.stringify(body).includes(`"${status}"`) && JSON.stringify(body)
    })
  const events = async (action: string): Promise<string[]> => {
    const rows = await stage.stored((store) =>
      store.selectFrom('journal').selectAll().where('action', '=', action).execute(),
    )
    return rows.map((row) => JSON.stringify(row))
  }
})

/** Both ends translate, so that the packets between them are to and from the hop. */
async function translate(stage: Stage): Promise<void> {
  const { host } = stage.node('web-01')
  await host.run('nft', 'add table ip way')
  await host.run('nft', 'add chain ip way output { type nat hook output priority -100; }')
  await host.run('nft', `add rule ip way output ip daddr ${serviceAddress} dnat to ${hop}`)
  await run('nft', ['add table ip way'])
  await run('nft', ['add chain ip way prerouting { type nat hook prerouting priority -100; }'])
  await run('nft', [`add rule ip way prerouting ip daddr ${hop} dnat to ${serviceAddress}`])
}

async function restarted(stage: Stage): Promise<void> {
  const node = stage.node('web-01')
  await node.stop()
  await node.start()
  await node.connected()
}

function order(n: number, target: string): BlockAction {
  const now = Date.now()
  return {
    action: 'block',
    decision: `d-${String(n).padStart(16, '0')}`,
    target,
    direction: 'both',
    issued: now,
    not_after: now + 600_000,
    reason: 'test',
  }
}
