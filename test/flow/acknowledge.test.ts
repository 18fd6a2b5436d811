/** What nodes say back: a node speaks for itself, about what was asked of it. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { z } from 'zod'
import type { Receipt } from '#contract/receipt.ts'
import { openTestService, startOfTest, type TestService } from '../service.ts'

describe('a receipt', () => {
  test('for a decision that does not exist is left out, and so is its line in the journal', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const nobodys = `d-${'0'.repeat(16)}`
    await service.flow.acknowledge('web-01', [receipt(nobodys, 'failed')])
    assert.deepEqual(await receipts(service), [])
    assert.doesNotMatch(await journal(service, nobodys), /receipt/)
  })

  test('for a decision that is for other nodes changes neither the decision nor the journal', async (t) => {
    const service = await open(t)
    await service.enrol('web-01', ['web'])
    await service.enrol('db-01', ['db'])
    const id = await block(service, ['group/web'])
    await service.flow.acknowledge('db-01', [receipt(id, 'failed')])
    await service.flow.acknowledge('db-01', [receipt(id, 'applied')])
    assert.deepEqual(await receipts(service), [])
    assert.doesNotMatch(await journal(service, id), /receipt/)
    assert.equal((await service.ask('GET', `/v1/decisions/${id}`)).body.decision?.state, 'issued')
  })

  test('for a decision of the node, of its group or of all is taken', async (t) => {
    const service = await open(t)
    await service.enrol('web-01', ['web'])
    for (const audience of ['all', 'group/web', 'node/web-01']) {
      const id = await block(service, [audience])
      await service.flow.acknowledge('web-01', [receipt(id, 'applied')])
    }
    assert.deepEqual(await receipts(service), ['web-01', 'web-01', 'web-01'])
  })

  test('that says something else of what is applied is what people see: with a note, and without it again', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    const id = await block(service, ['all'])
    const note = 'this node has no interface ppp0 now, so it does nothing yet'
    const shown = async () => {
      const { body } = await service.ask('GET', `/v1/decisions/${id}`)
      const { receipts, decision, timeline } = Shown.parse(body)
      return [...receipts.map(({ status, detail }) => [status, detail]), decision, timeline]
    }
    await service.flow.acknowledge('web-01', [{ ...receipt(id, 'applied'), detail: note }])
    const [, ...rest] = await shown()
    assert.deepEqual(await shown(), [['applied', note], ...rest])
    await service.flow.acknowledge('web-01', [receipt(id, 'applied')])
    assert.deepEqual(await shown(), [['applied', null], ...rest])
    await service.flow.acknowledge('web-01', [{ ...receipt(id, 'applied'), detail: note }])
    assert.deepEqual(await shown(), [['applied', note], ...rest])
  })

  test('of the end is taken also when the node has left the group since it applied the block', async (t) => {
    const service = await open(t)
    await service.enrol('web-01', ['web'])
    const id = await block(service, ['group/web'])
    await service.flow.acknowledge('web-01', [receipt(id, 'applied')])
    await service.ask('POST', '/v1/nodes/web-01/groups', { body: { groups: ['db'] } })
    await service.flow.acknowledge('web-01', [receipt(id, 'ended')])
    const rows = await service.flow.store.read.selectFrom('receipts').select('status').execute()
    assert.deepEqual(
      rows.map(({ status }) => status),
      ['ended'],
    )
  })

  test('of a revoked node is not inherited by the next node of its name', async (t) => {
    const service = await open(t)
    await service.enrol('web-01')
    await service.enrol('web-02')
    const id = await block(service, ['all'])
    for (const node of ['web-01', 'web-02'])
      await service.flow.acknowledge(node, [receipt(id, 'applied')])
    await service.ask('POST', '/v1/nodes/web-01/revoke')
    assert.deepEqual(await receipts(service), ['web-01', 'web-02'])
    await service.enrol('web-01')
    assert.deepEqual(await receipts(service), ['web-02'])
  })
})

const Shown = z.looseObject({
  receipts: z.array(z.looseObject({ status: z.string(), detail: z.string().nullable() })),
  decision: z.unknown(),
  timeline: z.unknown(),
})

function receipt(decision: string, status: Receipt['status']): Receipt {
  return { decision, status, audience: 'all', epoch: 1, seq: 1, at: startOfTest }
}

async function block(service: TestService, audience: string[]): Promise<string> {
  const order = { target: '203.0.113.7', lengthMs: 3_600_000, audience }
  return (await service.flow.orders.order(order, { actor: 'token/test', reason: 'test' })).id
}

async function receipts(service: TestService): Promise<string[]> {
  const rows = await service.flow.store.read.selectFrom('receipts').select('node').execute()
  return rows.map(({ node }) => node)
}

async function journal(service: TestService, subject: string): Promise<string> {
  return (await service.ask('GET', `/v1/journal?subject=${subject}`)).text
}

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}
