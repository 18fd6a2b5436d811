/** Connectors are found by their folders, and a module that is none is said to be none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { readConnector } from '../../actions/load-connectors.ts'

const connector = { name: 'x', title: 'X', settings: z.strictObject({}), read: () => [] }

test('a module that exports no whole connector is refused by its file', () => {
  const { read: _, ...blind } = connector
  for (const module of [
    {},
    { connector: null },
    { connector: blind },
    { connector: { ...connector, settings: {} } },
    { default: connector },
  ])
    assert.throws(() => readConnector(module, 'x'), {
      code: 'setting_invalid',
      message: 'connectors/x/connector.ts exports no connector',
    })
  assert.equal(readConnector({ connector }, 'x').name, 'x')
})
