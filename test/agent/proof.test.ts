/** Two self-tests at once do not take the scratch table from each other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import type { Carrier } from '../../agent/kernel/carrier.ts'
import { prove } from '../../agent/kernel/proof.ts'

test('the self-test works in a table of its own process, and takes it away also when it fails', async () => {
  const scripts: string[] = []
  const tables: string[] = []
  const carrier: Carrier = {
    name: 'nft',
    port: undefined,
    commit: async (table) => {
      tables.push(table)
      throw new Problem('kernel_refused', 'this kernel was told to refuse')
    },
    remaining: async () => undefined,
    close: () => {},
  }
  const nft = {
    run: async (script: string) => void scripts.push(script),
    takes: async () => true,
    list: async () => undefined,
    isOwn: () => true,
  }
  await assert.rejects(prove(carrier, nft), { code: 'kernel_refused' })
  const own = `cordon_selftest_${process.pid}`
  assert.deepEqual(new Set(tables), new Set([own]))
  const named = scripts.join('\n').match(/cordon_selftest\w*/g) ?? []
  assert.deepEqual(new Set(named), new Set([own]))
  assert.match(scripts.at(-1) ?? '', new RegExp(`delete table inet ${own}`))
})
