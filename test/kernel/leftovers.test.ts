/** What another back end left is taken out once, and asked about again only while it may still be there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem, type ProblemCode } from '#contract/problem.ts'
import { dryRunFirewall } from '../../agent/kernel/dry-run.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { clearIpset, withoutLeftovers } from '../../agent/kernel/leftovers.ts'
import { put } from './promises.ts'

async function asked(clear: () => Promise<void>): Promise<number> {
  let times = 0
  const firewall = withoutLeftovers(
    dryRunFirewall(() => {}, Date.now),
    () => {
      times++
      return clear()
    },
  )
  await firewall.apply([put('in_hosts4', '203.0.113.7')])
  await firewall.replace([])
  return times
}

const refused = (code: ProblemCode) => () => Promise.reject(new Problem(code, 'told to refuse'))

test('what was taken out is not looked for again', async () => {
  assert.equal(await asked(async () => {}), 1)
})

test('what could not be taken out is tried again with the next change', async () => {
  assert.equal(await asked(refused('kernel_refused')), 2)
})

test('a node without the other program is not asked for it with each change', async () => {
  assert.equal(await asked(refused('no_privilege')), 1)
  const missing = ipsetProgram('/nonexistent/ipset')
  assert.equal(await asked(() => clearIpset(missing, iptablesProgram())), 1)
})
