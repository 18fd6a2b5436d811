/** What is asked about iptables beyond what it is needed for, and what follows when that is not answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem, type ProblemCode } from '#contract/problem.ts'
import { iptablesBy } from '../../agent/kernel/iptables-program.ts'

const saved = '*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'
const listed = 'table ip raw {\n\tchain OUTPUT {\n\t}\n}\n'
const there = '*raw\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'

test('a chain of the kernel that is only printed does not count as there', async () => {
  const { iptables } = host(new Map())
  assert.equal(await iptables.saveThere(4), there)
})

test('whoever may not ask for the variant, or for what nft sees, filters all the same, and asks once', async () => {
  for (const name of ['iptables', 'nft']) {
    const { iptables, asked } = host(new Map([[name, 'no_privilege']]))
    for (let time = 0; time < 3; time++) {
      assert.equal(await iptables.saveThere(4), saved)
      await iptables.dropTable(4, 'raw')
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

function host(refusing: ReadonlyMap<string, ProblemCode>) {
  const asked: string[] = []
  const outputs: Record<string, string> = {
    'iptables-save': saved,
    iptables: 'iptables v1.8.10 (nf_tables)\n',
    nft: listed,
  }
  const iptables = iptablesBy(
    async (name) => {
      asked.push(name)
      const code = refusing.get(name)
      if (code) throw new Problem(code, `${name} is refused`)
      return { code: 0, output: outputs[name] ?? '', errors: '' }
    },
    [4],
  )
  return { iptables, asked }
}
