/** What people see of the sources of facts, by the API and on the command line. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { noSources } from '../../actions/facts/sources.ts'
import { openService } from '../command/terminal.ts'
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

test('"source list" says of each source how it is', async (t) => {
  const open = await openService()
  t.after(() => open.close())
  const { code, out } = await open.type('source list')
  assert.equal(code, 0)
  assert.match(out, /^SOURCE +KIND +STATE +AGE +ENTRIES +PROBLEM\n/)
  assert.match(out, /^country +places +(ready|silent) /m)
})
