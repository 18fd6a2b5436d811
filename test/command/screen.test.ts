/** What stands on the screen after a start can be pasted as it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printStartScreen } from '../../actions/command/screen.ts'
import { openTestService } from '../service.ts'

const node = {
  ...{ name: 'vm', enforcing: false, backend: 'dry', dataDir: '/d', stateDir: '/s' },
  table: undefined,
}

for (const [connectors, pasted] of [
  [['wazuh', 'webhook'], 'http://127.0.0.1:1/v1/alerts/wazuh'],
  [['webhook'], 'cordon connector list'],
] as const)
  test(`with ${connectors.join(' and ')} the first thing to try is one that works there`, async (t) => {
    const { flow, close } = await openTestService()
    t.after(close)
    const running = new Map(
      [...flow.connectors].filter(([name]) => connectors.some((c) => c === name)),
    )
    const io = {
      screen: { out: false, err: false, colour: { out: false, err: false } },
      self: 'cordon',
    }
    const service = {
      ...{ url: 'http://127.0.0.1:1', stop: async () => {} },
      flow: { ...flow, connectors: running },
    }
    const first = printStartScreen(io, service, node).split(/^2\. /m)[0] ?? ''
    assert.ok(first.includes(pasted), first)
    assert.equal(first.includes('/v1/alerts/wazuh'), connectors.length === 2)
  })
