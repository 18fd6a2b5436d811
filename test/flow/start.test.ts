/** What a service makes sure of at its start, and journals. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import pino from 'pino'
import { Problem } from '#contract/problem.ts'
import { type Service, startService } from '../../actions/service.ts'
import { ServiceSettings } from '../../actions/settings.ts'
import { startOfTest } from '../service.ts'

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
    await first.flow.orders.block(
      { target: '203.0.113.7', lengthMs: 3_600_000 },
      { actor: 'token/test', reason: 'it is not harmed by the second' },
    )
    await first.stop()
    await (await start()).stop()
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
