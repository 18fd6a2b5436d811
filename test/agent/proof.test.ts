/** The self-test of a back end: where it works, and what it finds out. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Carrier } from '../../agent/kernel/carrier.ts'
import type { Nft } from '../../agent/kernel/nft.ts'
import { prove } from '../../agent/kernel/proof.ts'
import { expressible } from '../../agent/kernel/scoped-proof.ts'

const silent: Nft = {
  run: async () => {},
  takes: async () => true,
  list: async () => undefined,
  isOwn: () => true,
}

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
  const nft = { ...silent, run: async (script: string) => void scripts.push(script) }
  await assert.rejects(prove(carrier, nft), { code: 'kernel_refused' })
  const own = `cordon_selftest_${process.pid}`
  assert.deepEqual(new Set(tables), new Set([own]))
  const named = scripts.join('\n').match(/cordon_selftest\w*/g) ?? []
  assert.deepEqual(new Set(named), new Set([own]))
  assert.match(scripts.at(-1) ?? '', new RegExp(`delete table inet ${own}`))
})

describe('what a kernel can do of orders that are more than a plain block', () => {
  const asked = async (refused?: RegExp) => {
    let questions = 0
    const takes = async (script: string) => {
      questions++
      return !refused?.test(script)
    }
    return { can: await expressible({ ...silent, takes }, 'scratch'), questions }
  }

  test('is one question where it can do it all', async () => {
    const { can, questions } = await asked()
    assert.deepEqual([can, questions], [{ scopes: true, reject: true }, 1])
  })

  test('is asked for each where it cannot: it drops, allows and limits although it cannot reject', async () => {
    const { can } = await asked(/ reject with /)
    assert.deepEqual(can, { scopes: true, reject: false })
  })

  test('what cannot be judged where it leaves is refused, and nothing else with it', async () => {
    const { scopes, reject, refuses } = (await asked(/ hook input /)).can
    assert.deepEqual([scopes, reject], [true, true])
    const allowed = { verdict: 'allow', address: readAddress('203.0.113.7') } as const
    assert.match(refuses?.([{ ...allowed, way: 'forward', interface: 'eth0' }]) ?? '', /not known/)
    assert.equal(refuses?.([{ ...allowed, way: 'in' }]), undefined)
  })

  test('where it takes no set of several fields nothing of it is', async () => {
    const { can } = await asked(/ifname \./)
    assert.deepEqual([can.scopes, can.reject], [false, false])
  })
})
