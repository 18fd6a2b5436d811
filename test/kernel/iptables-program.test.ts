/** What is asked about iptables beyond what it is needed for, and what follows when that is not answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem, type ProblemCode } from '#contract/problem.ts'
import { iptablesBy } from '../../agent/kernel/iptables-program.ts'

const saved = '*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'
const listed = 'table ip raw {\n\tchain OUTPUT {\n\t}\n}\n'
const there = '*raw\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'
const withoutNft = new Map<string, ProblemCode>([['nft', 'firewall_missing']])

test('a chain of the kernel that is only printed does not count as there', async () => {
  const { iptables } = host(new Map())
  assert.equal(await iptables.saveThere(4), there)
})

test('whoever may not ask for the variant, or for what nft sees, filters all the same, and asks once', async () => {
  for (const name of ['iptables', 'nft']) {
    const { iptables, asked } = host(new Map([[name, 'no_privilege']]))
    for (let time = 0; time < 3; time++) {
      assert.equal(await iptables.saveThere(4), name === 'nft' ? there : saved)
      assert.equal(await iptables.drop(4, { table: 'raw' }), false)
    }
    assert.equal(asked.filter((one) => one === name).length, 1, name)
  }
})

test('a host that was away for a moment is asked again', async () => {
  const refusing = new Map<string, ProblemCode>([['iptables', 'host_unreachable']])
  const { iptables } = host(refusing)
  await iptables.saveThere(4)
  refusing.delete('iptables')
  assert.equal(await iptables.saveThere(4), there)
})

test('a table that others have filled meanwhile is not taken away with what is in it', async () => {
  for (const filled of ['-A OUTPUT -j ACCEPT', ':THEIRS - [0:0]', ':OUTPUT DROP [0:0]'])
    for (const refusing of [new Map<string, ProblemCode>(), withoutNft]) {
      const { iptables, asked } = host(refusing, saved.replace('COMMIT', `${filled}\nCOMMIT`))
      assert.equal(await iptables.drop(4, { table: 'raw' }), false)
      assert.deepEqual(asked, ['iptables', 'iptables-save'])
    }
})

test('an iptables that does not tell whether a chain is there is not asked', async () => {
  for (const version of ['v1.8.7 (nf_tables)', 'v1.8.9 (legacy)', 'v1.6.1']) {
    const { iptables, asked } = host(withoutNft, saved, version)
    assert.equal(await iptables.saveThere(4), saved)
    assert.equal(asked.includes('iptables-restore'), false)
  }
})

test('without nft a chain that is only printed is told by what iptables says of it', async () => {
  const { iptables } = host(withoutNft)
  assert.equal(await iptables.saveThere(4), there)
})

function host(
  refusing: ReadonlyMap<string, ProblemCode>,
  shown = saved,
  version = 'v1.8.10 (nf_tables)',
) {
  const asked: string[] = []
  const outputs: Record<string, string> = {
    'iptables-save': shown,
    iptables: `iptables ${version}\n`,
    nft: listed,
  }
  const iptables = iptablesBy(
    async (name, _words, input) => {
      asked.push(name)
      const code = refusing.get(name)
      if (code) throw new Problem(code, `${name} is refused`)
      const errors = input.includes('PREROUTING') ? 'No chain/target/match by that name.\n' : ''
      return { code: errors ? 1 : 0, output: outputs[name] ?? '', errors }
    },
    [4],
  )
  return { iptables, asked }
}
