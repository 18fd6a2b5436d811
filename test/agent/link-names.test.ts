/** Which interfaces a node has, and what it says of an order about one that it has not. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { linkNames, linuxPlaces } from '../../agent/surroundings.ts'
import { enforceFrom } from './enforcing.ts'
import { block, decision, lift, Sequence, today } from './signer.ts'

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

/** A node on which interfaces come and go. */
function travelling(folder: string, ...orders: Parameters<Sequence['next']>[0]) {
  const node = enforceFrom(join(root, folder))
  let links = ['lo', 'eth0']
  let read = 0
  node.enforcer.accepting.links = () => {
    read++
    return links
  }
  const look = async () => {
    node.enforcer.lookAtLinks()
    await node.enforcer.settled()
  }
  const all = new Sequence('all')
  const take = async (...actions: Parameters<Sequence['next']>[0]) => {
    node.enforcer.take(all.next(actions))
    await node.enforcer.settled()
    return told()
  }
  let before = 0
  /** Since this was asked last. */
  const told = () => {
    const news = node.answers.slice(before)
    before = node.answers.length
    return news.map((one) => [one.decision, one.status, one.detail].filter(Boolean).join(' '))
  }
  const become = async (...names: string[]) => {
    links = names
    await look()
    return told()
  }
  return { node, take, become, read: () => read, ready: take(...orders) }
}

const missing = (name: string) => `this node has no interface ${name} now, so it does nothing yet`

test('when an interface comes its orders are said to be applied without the note, and with it when it goes', async () => {
  const { become, ready } = travelling(
    'comes',
    block(1, { interface: 'ppp*' }),
    block(2, { interface: 'wg0' }),
    block(3, { interface: 'eth0' }),
    block(4),
  )
  await ready
  assert.deepEqual(await become('lo', 'eth0', 'ppp7'), [`${decision(1)} applied`])
  assert.deepEqual(await become('lo', 'eth0', 'ppp7', 'ppp8'), [])
  assert.deepEqual(await become('lo', 'eth0', 'ppp8'), [])
  assert.deepEqual(await become('lo', 'wg0'), [
    `${decision(1)} applied ${missing('ppp*')}`,
    `${decision(2)} applied`,
    `${decision(3)} applied ${missing('eth0')}`,
  ])
  assert.deepEqual(await become(), [], 'not known is not gone')
})

test('of an order with an interface on either side the note tells those that are missing now', async () => {
  const ends = { direction: 'forward_from', interface: 'wg0', peer_interface: 'wg1' } as const
  const { become, ready } = travelling('sides', block(1, ends))
  await ready
  assert.deepEqual(await become('lo', 'wg0'), [`${decision(1)} applied ${missing('wg1')}`])
  assert.deepEqual(await become('lo', 'wg0', 'wg1'), [`${decision(1)} applied`])
})

test('where no order names an interface none is looked for, however often one could have come', async () => {
  const { take, become, read, ready } = travelling('none', block(1), block(2, { protocol: 'tcp' }))
  await ready
  await become('lo', 'ppp0')
  assert.equal(read(), 0)
  await take(block(3, { interface: 'ppp1' }))
  await take(lift(3))
  const before = read()
  assert.deepEqual(await become('lo', 'ppp1'), [], 'lifted')
  assert.equal(read(), before)
})

test('an order that the kernel refuses is not said to be applied because its interface came', async () => {
  const { node, take, become, ready } = travelling('refused', block(2))
  await ready
  await node.enforcer.replace()
  node.firewall.refusingScoped = true
  await take(block(1, { interface: 'wg0' }))
  const said = await become('lo', 'wg0')
  assert.ok(said.every((one) => one.startsWith(`${decision(1)} failed`)))
  node.firewall.refusingScoped = false
  await node.enforcer.replace()
  assert.equal(node.answers.at(-1)?.status, 'applied')
  assert.equal(node.answers.at(-1)?.detail, undefined)
})

test('after a restart the note is said with the order, and taken back when its interface comes', async () => {
  const { node, ready } = travelling('restart', block(1, { interface: 'wg0' }))
  await ready
  await node.enforcer.stop()
  let links = ['lo']
  const next = enforceFrom(join(root, 'restart'), undefined, undefined, () => links)
  await next.enforcer.replace()
  assert.deepEqual(
    next.answers.map(({ detail }) => detail),
    [missing('wg0')],
  )
  links = ['lo', 'wg0']
  next.enforcer.lookAtLinks()
  await next.enforcer.settled()
  assert.deepEqual([next.answers.length, next.answers.at(-1)?.detail], [2, undefined])
})
