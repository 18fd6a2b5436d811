/** Which interfaces a node has, and what it says of an order about one that it has not. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { linkNames, linuxPlaces } from '../../agent/surroundings.ts'
import { enforceFrom } from './enforcing.ts'
import { block, decision, Sequence, today } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-links-'))
after(() => rmSync(root, { recursive: true }))

const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:  226910    1466    0    0    0     0          0         0   226910    1466    0
  eth0: 1024  1 0 0 0 0 0 0 1024 1 0
br-lan.7:1024  1 0 0 0 0 0 0 1024 1 0
`

test('the names of interfaces are read as the kernel writes them', () => {
  const files = { bytes: () => Buffer.from(table), names: () => [] }
  assert.deepEqual(linkNames({ ...linuxPlaces, files }), ['lo', 'eth0', 'br-lan.7'])
  assert.ok(linkNames(linuxPlaces).includes('lo'), 'of this machine')
})

test('an order is in force although its interface is not there yet, and that is said', async () => {
  const node = enforceFrom(join(root, 'one'))
  node.enforcer.accepting.links = () => ['lo', 'eth0', 'ppp3']
  const all = new Sequence('all')
  const said = async (name: string) => {
    node.enforcer.take(all.next([block(1, { interface: name })]))
    await node.enforcer.settled()
    const { status, detail } = node.answers.at(-1) ?? {}
    return [status, detail]
  }
  for (const name of ['eth0', 'ppp*', 'e*'])
    assert.deepEqual(await said(name), ['applied', undefined])
  for (const name of ['eth1', 'eth', 'wg*'])
    assert.deepEqual(await said(name), [
      'applied',
      `this node has no interface ${name} now, so it does nothing yet`,
    ])
  assert.equal(node.firewall.scoped.length, 1)
  node.enforcer.accepting.links = () => []
  assert.deepEqual(await said('eth1'), ['applied', undefined], 'not known is not missing')
})

test('it is said of the interface on either side', async () => {
  const node = enforceFrom(join(root, 'four'))
  node.enforcer.accepting.links = () => ['lo', 'eth0']
  const all = new Sequence('all')
  const said = async (one: string, other: string) => {
    const ends = { direction: 'forward_from', interface: one, peer_interface: other } as const
    node.enforcer.take(all.next([block(1, ends)]))
    await node.enforcer.settled()
    return node.answers.at(-1)?.detail
  }
  assert.equal(await said('eth0', 'e*'), undefined)
  assert.match((await said('eth0', 'eth1')) ?? '', /no interface eth1 now/)
  assert.match((await said('eth2', 'eth1')) ?? '', /no interface eth2 and no eth1 now/)
})

test('it is said also of an order that comes with a whole state', async () => {
  const node = enforceFrom(join(root, 'three'))
  node.enforcer.accepting.links = () => ['lo', 'eth0']
  const claim = (n: number, name: string) => ({
    ...{ audience: 'all', decision: decision(n), target: `203.0.113.${n}` },
    ...{ direction: 'in' as const, end: today + 600_000, scoped: { interface: name } },
  })
  const claims = [claim(1, 'eth0'), claim(2, 'eth1')]
  const standing = { epoch: 1, seq: 5, hash: '', statement: '' }
  await node.enforcer.load({ audience: 'all', standing, claims, answers: [] })
  assert.deepEqual(
    node.answers.map(({ status, detail }) => [status, detail]),
    [
      ['applied', undefined],
      ['applied', 'this node has no interface eth1 now, so it does nothing yet'],
    ],
  )
})

test('interfaces are not even looked at for an order that names none', async () => {
  const node = enforceFrom(join(root, 'two'))
  let looked = 0
  node.enforcer.accepting.links = () => {
    looked++
    return ['lo']
  }
  const all = new Sequence('all')
  node.enforcer.take(all.next([block(1), block(2)]))
  await node.enforcer.settled()
  assert.deepEqual([node.answers.length, looked], [2, 0])
})
