/** What a service makes sure of at its start, and journals. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import pino from 'pino'
import { Problem } from '#contract/problem.ts'
import { reloadPolicy } from '../../actions/flow/reload-policy.ts'
import { type Service, startService } from '../../actions/service.ts'
import { ServiceSettings } from '../../actions/settings.ts'
import { readJournal } from '../../actions/store/journal.ts'
import { plainPolicy, startOfTest } from '../service.ts'

describe('a second service on the same data directory', () => {
  test('is refused while the first one runs, and taken when it has stopped', async (t) => {
    const { start } = directory(t)
    const first = await start()
    await assert.rejects(start(), (error) => {
      assert.ok(error instanceof Problem)
      assert.equal(error.code, 'store_unavailable')
      assert.match(error.remedy ?? '', /stop the other service that uses this data directory/)
      return true
    })
    await first.flow.orders.order(
      { target: '203.0.113.7', lengthMs: 3_600_000 },
      { actor: 'token/test', reason: 'it is not harmed by the second' },
    )
    await first.stop()
    await (await start()).stop()
  })
})

describe('the policy', () => {
  test('that is another after a restart has its line in the journal, with both texts', async (t) => {
    const { dir, start } = directory(t)
    const policy = join(dir, 'policy.yaml')
    const lines: unknown[] = []
    for (const text of [plainPolicy, plainPolicy, `${plainPolicy}\n# tightened\n`]) {
      writeFileSync(policy, text)
      const service = await start({ policy })
      const found = await readJournal(service.flow.store.read, {
        after: 0,
        limit: 10,
        subject: 'policy',
      })
      lines.push(
        found.map(({ actor, before, after }) => [
          actor,
          before && JSON.parse(before),
          JSON.parse(after ?? ''),
        ]),
      )
      await service.stop()
    }
    const first = ['service', null, plainPolicy]
    const second = ['service', plainPolicy, `${plainPolicy}\n# tightened\n`]
    assert.deepEqual(lines, [[first], [first], [first, second]])
  })

  test('is exchanged only when the journal has its line', async (t) => {
    const { dir, start } = directory(t)
    const policy = join(dir, 'policy.yaml')
    writeFileSync(policy, plainPolicy)
    const service = await start({ policy })
    t.after(() => service.stop())
    writeFileSync(policy, `${plainPolicy}\n# tightened\n`)
    const { flow } = service
    const full = async () => {
      throw new Problem('store_unavailable', 'the disk is full')
    }
    const failing = { ...flow, store: { ...flow.store, write: full } }
    await assert.rejects(reloadPolicy(failing, 'token/test'), { code: 'store_unavailable' })
    assert.equal(flow.policy.text(), plainPolicy)
    assert.equal(await reloadPolicy(flow, 'token/test'), true)
    assert.notEqual(flow.policy.text(), plainPolicy)
  })
})

function directory(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-start-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  let made = 0
  const start = (settings: object = {}): Promise<Service> =>
    startService(ServiceSettings.parse({ listen: '127.0.0.1:0', data_dir: dir, ...settings }), {
      log: pino({ level: 'silent' }),
      environment: {},
      connectorSections: {},
      now: () => startOfTest,
      random: (bytes) =>
        createHash('shake256', { outputLength: bytes }).update(`${dir} ${++made}`).digest(),
    })
  return { dir, start }
}
