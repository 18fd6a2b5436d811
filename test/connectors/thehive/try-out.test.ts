/** What the test of the connector finds, thing by thing, without changing anything. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connector } from '../../../connectors/thehive/connector.ts'
import { Settings } from '../../../connectors/thehive/settings.ts'
import { analyst } from '../../doubles/thehive.ts'
import { asked, forever, openStage } from './stage.ts'

async function findings(given: object): Promise<string[]> {
  const found = (await connector.test?.(Settings.parse(given), forever)) ?? []
  return found.map((one) => {
    if ('found' in one) return `${one.what}: ${one.found}`
    assert.ok(one.problem.remedy, one.problem.message)
    return `${one.what}! ${one.problem.code} ${one.problem.message}`
  })
}

const at = ({ url }: { url: string }, more: object = {}) => ({ url, api_key: 'key-1', ...more })

test('all that is needed is there', async (t) => {
  const { hive, tell, world } = await openStage(t)
  await tell(asked())
  world.asked.length = 0
  assert.deepEqual(await findings(at(hive)), [
    `settings: TheHive at ${new URL(hive.url).host}`,
    'host: reached',
    'version: 5.5.9-1',
    'key: cordon@example.test in SOC',
    'questions: 1 are open there',
  ])
  assert.ok(world.asked.every((place) => place.startsWith('GET') || place.endsWith('/query')))
})

test('each thing that is wrong ends it with what to do', async (t) => {
  const user = (permissions: string[]) =>
    new Map([['key-1', { login: 'x', organisation: 'SOC', permissions }]])
  const { hive } = await openStage(t)
  const old = await openStage(t, { version: '4.1.24-1' })
  const reader = await openStage(t, { users: user(['manageComment']) })
  const cautious = await openStage(t, { users: user(analyst) })
  const whole = await openStage(t, { users: user(['manageAlert', 'manageComment']) })
  const last = async (given: object) => (await findings(given)).at(-1)
  assert.match((await last({})) ?? '', /^settings! setting_invalid thehive has no url/)
  assert.match((await last(at({ url: 'http://127.0.0.1:1' }))) ?? '', /^host! service_unreachable/)
  assert.match((await last(at(old.hive))) ?? '', /^version! unsupported it is TheHive 4\.1\.24-1/)
  assert.match((await last(at(hive, { api_key: 'no' }))) ?? '', /^key! unauthenticated/)
  assert.match((await last(at(hive, { organisation: 'Other' }))) ?? '', /^key! forbidden/)
  assert.equal(
    await last(at(reader.hive)),
    'key! forbidden the account lacks manageAlert/create, manageAlert/update',
  )
  assert.match((await findings(at(cautious.hive)))[3] ?? '', /without manageAlert\/reopen/)
  assert.equal((await findings(at(whole.hive)))[3], 'key: x in SOC')
})
