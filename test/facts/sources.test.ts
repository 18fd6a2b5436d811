/** What people see of the sources of facts, by the API and on the command line. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { openLists } from '../../actions/facts/lists/lists.ts'
import { ListSettings } from '../../actions/facts/lists/settings.ts'
import { openSources } from '../../actions/facts/open-sources.ts'
import { openPlaces } from '../../actions/facts/places/places.ts'
import { openProviders } from '../../actions/facts/providers/providers.ts'
import { openService } from '../command/terminal.ts'
import { noSources } from '../no-sources.ts'
import { openTestService, startOfTest } from '../service.ts'

test('a source that is silent is shown with its problem, and one that is ready with its age', async (t) => {
  const problem = new Problem('service_unreachable', 'lists.example was not reached').toJSON()
  const service = await openTestService({
    sources: {
      ...noSources,
      states: () => [
        { name: 'drop', kind: 'list', state: 'silent', problem, since: startOfTest, details: {} },
        { name: 'country', kind: 'places', state: 'ready', age: 5, details: { type: 'x' } },
      ],
    },
  })
  t.after(() => service.close())
  const { status, text } = await service.ask('GET', '/v1/sources')
  assert.equal(status, 200, text)
  assert.deepEqual(JSON.parse(text).sources, [
    {
      name: 'drop',
      kind: 'list',
      state: 'silent',
      problem,
      since: new Date(startOfTest).toISOString(),
      details: {},
    },
    { name: 'country', kind: 'places', state: 'ready', age_ms: 5, details: { type: 'x' } },
  ])
  const ingest = await service.ask('GET', '/v1/sources', {
    token: await service.token(['ingest']),
  })
  assert.equal(ingest.status, 403)
})

test('"source list" says of each source how it is, and what to do about one that is silent', async (t) => {
  const open = await openService({}, { connectors: ['abuseipdb'] })
  t.after(() => open.close())
  const { code, out } = await open.type('source list')
  assert.equal(code, 0)
  assert.match(out, /^SOURCE +KIND +STATE +AGE +ENTRIES\n/)
  assert.match(out, /^country +places +(ready|silent) /m)
  assert.match(out, /\nabuseipdb: abuseipdb has no key.*\n {2}hint: set CORDON_ABUSEIPDB_API_KEY /)
})

test('why a source is silent is told as it is now, not as it was at the start', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-test-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const { flow, close } = await openTestService()
  t.after(close)
  const file = join(dir, 'drop.txt')
  const outside = { log: flow.log, now: () => startOfTest, random: () => 0, fetch }
  const places = openPlaces({ country: join(dir, 'none.mmdb') }, outside)
  const list = ListSettings.parse({ name: 'drop', file })
  const lists = openLists([list], { ...outside, dir, protectedNetworks: () => [] })
  const providers = openProviders({
    ...outside,
    store: flow.store,
    monotonic: () => 0,
    lookups: new Map(),
  })
  const sources = openSources({ places, lists, providers })
  t.after(() => sources.close())
  const attacker = readAddress('203.0.113.7')
  assert.equal(sources.of(attacker).silent.drop, 'it was not read yet')
  await lists.look()
  assert.match(sources.of(attacker).silent.drop ?? '', /cannot read the list/)
  writeFileSync(file, '<html>')
  await lists.refresh('drop')
  assert.match(sources.of(attacker).silent.drop ?? '', /turned to HTML/)
  writeFileSync(file, '203.0.113.7\n')
  await lists.refresh('drop')
  assert.equal(sources.of(attacker).silent.drop, undefined)
  const { ready } = sources.of(attacker)
  assert.deepEqual(ready, ['drop'])
  assert.equal(sources.of(attacker).ready, ready)
})
