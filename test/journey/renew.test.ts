/** From the kernel's counters to a longer block: what goes on is renewed by what it stops, not by what others do. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openStage, type Stage } from '../crash/stage.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const sender = fileURLToPath(new URL('../kernel/scan-process.ts', import.meta.url))
const [quietPort, busyPort] = [4000, 4001]
/** A block is looked at within its last fifteen seconds: by then nobody has come by the quiet port for `while_hitting`. */
const nearMs = 15_000
const policy = `
version: 1
defaults: { for: 24s, renew: { while_hitting: 3s, at_most: 1h } }
rules:
  - { name: quiet, because: test, when: alert.rule.id == "quiet", verdict: block, scope: { protocol: udp, ports: [${quietPort}] } }
  - { name: busy, because: test, when: alert.rule.id == "busy", verdict: block, scope: { protocol: udp, ports: [${busyPort}] } }
`
const him = '203.0.113.7'
/** Lifted so that the node counts at once what it stopped until then. */
const another = '203.0.113.99'

describe('of two blocks of one address, each of one port', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24'])
    const agent = { heartbeat: '1s' }
    stage = await openStage({ policy, nodes: { 'web-01': [] }, agent })
  })
  after(async () => {
    await stage?.close()
    await attacker?.close()
  })

  test('the one that is still hit is renewed and the other ends on time, and its last word says what it stopped', {
    timeout: 120_000,
  }, async () => {
    assert.equal(await reaches(), true)
    const [quiet, busy] = [await blockBy('quiet'), await blockBy('busy')]
    for (let packet = 0; packet < 3; packet++) assert.equal(await reaches(), false)
    let sent = await hitBusy(5)
    await counted()
    await until('the service knows what they stopped', async () => {
      const told = [(await shown(quiet)).hits?.packets, (await shown(busy)).hits?.packets]
      return told.join() !== `3,${sent}` && told.join()
    })

    const [quietEnd, busyEnd] = [await endOf(quiet), await endOf(busy)]
    await timeIs(busyEnd - nearMs)
    await until('the one is renewed', async () => {
      sent += await hitBusy(5)
      await counted()
      return (await endOf(busy)) === busyEnd && 'it ends as it was ordered'
    })

    await timeIs(quietEnd - 500)
    assert.equal((await shown(quiet)).nodes.ended, 0)
    await timeIs(quietEnd)
    let stopped = 3
    await until('the other ends', async () => !(await reaches()) && `${++stopped} packets`, 5_000)
    await until('and the service knows', async () => {
      const { state, end_reason, nodes } = await shown(quiet)
      const now = `${state} ${end_reason} ${nodes.ended}`
      return now !== 'ended expired 1' && now
    })
    assert.equal(await endOf(quiet), quietEnd)
    const last = (await shown(quiet)).hits?.packets ?? 0
    assert.ok(last >= 3 && last <= stopped, `it stopped ${stopped} packets and told ${last}`)

    assert.equal((await shown(busy)).state, 'applied')
    sent += await hitBusy(7)
    await stage.lift(busy)
    await until('its last word tells all that it stopped', async () => {
      const { nodes, hits } = await shown(busy)
      const now = `${nodes.ended} ${hits?.packets}`
      return now !== `1 ${sent}` && now
    })
  })

  const timeIs = (at: number) =>
    until(new Date(at).toISOString(), async () => Date.now() < at && 'it is earlier')

  /** Resolves when the node has it in its kernel. */
  async function blockBy(rule: string): Promise<string> {
    const { items } = await stage.alert({ id: rule, attacker: him, rule, severity: 80 })
    const id = items[0]?.alerts?.[0]?.decision ?? assert.fail(`${rule} decided nothing`)
    await until(`${rule} is applied`, async () => {
      const { nodes } = await shown(id)
      return nodes.applied !== 1 && JSON.stringify(nodes)
    })
    return id
  }
  async function shown(id: string) {
    const { body } = await stage.ask('GET', `/v1/decisions/${id}`)
    return body.decision ?? assert.fail(`there is no decision ${id}`)
  }
  async function endOf(id: string): Promise<number> {
    return Date.parse((await shown(id)).not_after ?? '')
  }
  /** By the quiet port: a packet that is stopped there is one more reason to go on. */
  async function reaches(): Promise<boolean> {
    const node = stage.node('web-01').host
    return delivers(attacker, him, node, node.address4)
  }
  async function hitBusy(times: number): Promise<number> {
    const to = [stage.node('web-01').host.address4]
    const order = { how: 'udp', from: him, to, ports: [busyPort, 1], times }
    await attacker.run(process.execPath, sender, JSON.stringify(order))
    return times
  }
  async function counted(): Promise<void> {
    await stage.lift((await stage.block(another)).id)
  }
})
