/** A kill -9 at each moment between an alert and its receipt, chosen exactly; afterwards all is as if it had not been. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'
import type { Death } from './node-process.ts'
import { openStage, type Stage } from './stage.ts'
import { until } from './until.ts'
import { allReported, checkWhole } from './whole.ts'

const kernel = await ownNamespace(import.meta.url)
const policy = `
version: 1
rules: [{ name: severe, because: test, when: alert.severity >= 70, verdict: block, for: 10m }]
`

describe('a kill -9', { skip: kernel.skip }, () => {
  let stage: Stage
  let attacker: Host
  let address = ''
  let numbers = 0
  const acknowledged = new Map<string, string>()
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24'])
    stage = await openStage({ policy, nodes: { 'web-01': [] } })
  })
  after(async () => {
    await stage.close()
    await attacker.close()
  })

  const record = () => {
    address = `203.0.113.${++numbers}`
    return { id: `moment-${numbers}`, attacker: address, severity: 80 }
  }
  const reaches = () => {
    const node = stage.node('web-01').host
    return delivers(attacker, address, node, node.address4)
  }
  const whole = async () => {
    await stage.node('web-01').connected()
    await stage.settled()
    assert.equal(await reaches(), false)
    await allReported(stage)
    await checkWhole(stage, acknowledged)
  }
  const send = async (alert: { id: string }) => {
    const { items } = await stage.alert(alert)
    const [recorded] = items[0]?.alerts ?? []
    if (!recorded) throw new Error(`${alert.id} was not recorded`)
    acknowledged.set(alert.id, recorded.decision)
    return recorded.result
  }

  for (const [at, sentence, result] of [
    ['commit', 'between judging and storing: the alert is taken when it is sent again', 'stored'],
    ['send', 'between storing and sending: the node gets it all the same', 'repeat'],
    ['answer', 'between sending and answering: sent again, the alert is a repeat', 'repeat'],
  ] as const)
    test(`of the service ${sentence}`, async () => {
      const alert = record()
      assert.equal(await reaches(), true)
      await stage.service.tell({ do: 'die', at })
      await assert.rejects(stage.alert(alert))
      await stage.service.ended()
      await stage.service.start()
      assert.equal(await send(alert), result)
      await whole()
    })

  test('of the service between storing and sending needs no second alert for the block', async () => {
    const alert = record()
    await stage.service.tell({ do: 'die', at: 'send' })
    await assert.rejects(stage.alert(alert))
    await stage.service.ended()
    await stage.service.start()
    await whole()
  })

  for (const [at, sentence] of [
    ['apply', 'between remembering and the kernel: the block is enforced at the next start'],
    ['applied', 'between the kernel and the receipt: the receipt is given at the next start'],
    ['receipt', 'while it reports: the receipt is given at the next start'],
  ] as const satisfies [Death, string][])
    test(`of the agent ${sentence}`, async () => {
      const node = stage.node('web-01')
      const alert = record()
      await node.tell({ do: 'die', at })
      await send(alert)
      await node.ended()
      assert.equal(await reaches(), at === 'apply')
      await node.start()
      assert.equal(await reaches(), false, 'enforced before the service is asked')
      await whole()
    })

  test('of the agent between lifting and the receipt: the lift is reported at the next start', async () => {
    const node = stage.node('web-01')
    const { id } = await stage.block('203.0.113.200')
    await node.tell({ do: 'die', at: 'applied' })
    await stage.ask('POST', `/v1/decisions/${id}/lift`, { reason: 'test' })
    await node.ended()
    await node.start()
    await until('the lift is reported', async () => {
      const { body } = await stage.ask('GET', `/v1/decisions/${id}`)
      return body.decision?.nodes.ended !== 1 && JSON.stringify(body.decision?.nodes)
    })
    await stage.settled()
  })

  test('of the agent and the service at once, with the block in between', async () => {
    const node = stage.node('web-01')
    const alert = record()
    await node.tell({ do: 'die', at: 'applied' })
    await stage.service.tell({ do: 'die', at: 'answer' })
    await assert.rejects(stage.alert(alert))
    await stage.service.ended()
    await stage.service.start()
    await node.ended()
    await node.start()
    assert.equal(await send(alert), 'repeat')
    await whole()
  })
})
