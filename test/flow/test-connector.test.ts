/** A connector that is tried ends in time and never breaks what tries it, whatever the connector does. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { Connector } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import type { SourceHealth } from '../../actions/flow/pull.ts'
import { testConnector } from '../../actions/flow/test-connector.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { noSources } from '../no-sources.ts'

const lookup = {
  request: () => ({ url: 'https://vendor.example/x', headers: {} }),
  quota: () => undefined,
  limits: [],
  keepMs: 1,
  waitMs: 1_000,
  fetch: async () => new Response('{}'),
}

async function findings(
  given: Partial<Connector>,
  more: { followed?: SourceHealth[]; withinMs?: number } = {},
) {
  const store = await openStore(openSqlite(':memory:'))
  const connector = { name: 'x', title: 'X', settings: z.strictObject({}), ...given }
  try {
    const found = await testConnector(
      {
        store,
        connectors: new Map([['x', { connector, settings: {} }]]),
        followed: more.followed ?? [],
        sources: noSources,
        counts: { of: () => [] },
        now: () => 0,
        notices: { channels: () => [] },
      },
      'x',
      more.withinMs ?? 60_000,
    )
    return found.map((finding) =>
      'problem' in finding
        ? [finding.what, finding.problem.code, finding.problem.message]
        : [finding.what, finding.found],
    )
  } finally {
    await store.close()
  }
}

describe('the test of a connector', () => {
  test('that never ends is given up after the time, and is told to stop', async () => {
    let stopped = false
    const endless: Connector['test'] = (_, signal) => {
      signal.addEventListener('abort', () => {
        stopped = true
      })
      return new Promise(() => {})
    }
    const found = await findings({ test: endless }, { withinMs: 50 })
    assert.deepEqual(found, [['test', 'service_unreachable', 'the test took longer than 50ms']])
    assert.equal(stopped, true)
  })

  test('that throws is a finding and no failure of the service', async () => {
    const broken = async () => {
      throw new TypeError('x is not a function')
    }
    assert.deepEqual((await findings({ test: broken }))[0]?.slice(0, 2), ['test', 'internal'])
    const refused = async () => {
      throw new Problem('forbidden', 'not you')
    }
    assert.deepEqual(await findings({ test: refused }), [['test', 'forbidden', 'not you']])
  })

  test('is followed by how its parts fare now', async () => {
    const line = { connector: 'x', records: 3, refused: 1, last: '2026-03-01T00:00:00.000Z' }
    const found = await findings(
      { test: async () => [{ what: 'key', found: 'there' }] },
      {
        followed: [
          { ...line, source: 'one', state: 'following' },
          { ...line, source: 'two', state: 'failing', problem: 'gone', code: 'not_found' },
          { ...line, connector: 'other', source: 'three', state: 'following' },
        ],
      },
    )
    assert.deepEqual(found, [
      ['key', 'there'],
      ['one', 'following; 3 taken since the start, 1 refused, last 2026-03-01T00:00:00.000Z'],
      ['two', 'not_found', 'gone'],
    ])
  })
})

describe('a provider without a test of its own', () => {
  test('that knows that nobody has the address has taken the key', async () => {
    const read = () => {
      throw new Problem('unsupported', 'x refuses the address: it is reserved')
    }
    const [found] = await findings({ lookup: () => ({ ...lookup, read }) })
    assert.match(
      found?.[1] ?? '',
      /^the key is taken, but not 192\.0\.2\.1; one request of the quota/,
    )
  })

  test('whose answer is no answer has failed', async () => {
    const read = () => {
      throw new Problem('invalid_input', 'x gave no answer in its own shape')
    }
    const [found] = await findings({ lookup: () => ({ ...lookup, read }) })
    assert.deepEqual(found?.slice(0, 2), ['look-up at vendor.example', 'invalid_input'])
  })
})
