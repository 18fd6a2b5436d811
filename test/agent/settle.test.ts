/** What is owed while the kernel refuses. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import type { Answer } from '../../agent/differences.ts'
import { enforceFrom } from './enforcing.ts'
import { block, decision, lift, Sequence } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-settle-'))
after(() => rmSync(root, { recursive: true }))

test('a kernel that refuses for long keeps one owed answer a decision', async () => {
  const node = enforceFrom(join(root, 'one'))
  const all = new Sequence('all')
  node.firewall.refusing = true
  for (let n = 0; n < 50; n++) {
    node.enforcer.take(all.next([block(1), block(2), block(3)]))
    await node.enforcer.settled()
  }
  node.enforcer.take(new Sequence('node/web-01').next([block(1)]))
  node.enforcer.take(all.next([lift(2), block(3, { target: '192.0.2.3' })]))
  await node.enforcer.settled()
  node.firewall.refusing = false
  const before = node.answers.length
  await node.enforcer.replace()
  assert.deepEqual(
    node.said().slice(before).sort(),
    [`${decision(1)} applied 1:1`, `${decision(1)} applied 1:50`, `${decision(2)} ended 1:51`],
    'the newest of each decision in each audience; what was refused has been said',
  )
})

test('what ended while the kernel refused is given up first, and what is in force is answered', async () => {
  const node = enforceFrom(join(root, 'two'))
  const { differences } = node.enforcer.accepting
  node.firewall.refusing = true
  node.enforcer.take(new Sequence('all').next([block(1)]))
  await node.enforcer.settled()
  const ended = (n: number): Answer => ({
    ...{ audience: 'all', epoch: 1, seq: 1 },
    decision: decision(n),
    status: 'ended',
  })
  for (let n = 10; n < 150_010; n++) differences.owe(ended(n))
  await node.enforcer.replace()
  node.firewall.refusing = false
  const before = node.answers.length
  await node.enforcer.replace()
  const told = node.answers.slice(before)
  assert.ok(told.length <= 100_001, `${told.length} answers`)
  assert.equal(told[0]?.status, 'applied')
  assert.equal(told.at(-1)?.decision, decision(150_009), 'the oldest were given up')
  assert.equal(await node.firewall.remaining('in_hosts4', readAddress('203.0.113.1')), 600_000)
})

test('a change that finds the table gone says so, since more than blocks went with it', async () => {
  const node = enforceFrom(join(root, 'three'))
  const all = new Sequence('all')
  const { firewall } = node
  node.enforcer.take(all.next([block(1)]))
  await node.enforcer.settled()
  firewall.held.clear()
  firewall.refusing = true
  const prepare = firewall.prepare.bind(firewall)
  firewall.prepare = () => {
    firewall.refusing = false
    return prepare()
  }
  node.enforcer.take(all.next([block(2)]))
  await node.enforcer.settled()
  assert.equal(firewall.held.size, 2)
  assert.equal(node.emptied(), 1)
  firewall.held.clear()
  await node.enforcer.replace()
  assert.equal(node.emptied(), 1, 'whoever brings everything anew knows what else there is')
})
