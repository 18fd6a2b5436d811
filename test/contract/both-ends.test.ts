/** Every rule of a router that names its interfaces and who sends to whom, and the order that says the same. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Action, type StandingAction } from '#contract/action.ts'
import { printRow, readRow } from '#contract/row.ts'

const order = {
  decision: 'd-4x7k2m9qz1hb0wfa',
  issued: 1,
  not_after: 2,
  reason: 'test',
}

/** As rfw names them, and what they are here. A name that ends in no digit is of all that begin so. */
const verbs = {
  drop: { action: 'block' },
  reject: { action: 'block', response: 'reject' },
  accept: { action: 'allow' },
} as const
const interfaces = { any: undefined, eth0: 'eth0', ppp: 'ppp*' } as const
const beyond = { any: undefined, eth1: 'eth1', tun: 'tun*' } as const
const hosts = ['198.51.100.7', '198.51.100.0/24'] as const
const peers = ['192.0.2.10', '192.0.2.0/28'] as const

type Rule = { path: string; says: object }

/** Its grammar in full: one end for input and output, one or two for forward, of which the second may be an interface only. */
function* rules(): Generator<Rule> {
  for (const [verb, does] of entries(verbs))
    for (const [iface, near] of entries(interfaces))
      for (const target of hosts) {
        const here = { ...does, target, ...(near && { interface: near }) }
        const one = `${iface}/${target}`
        yield { path: `/${verb}/input/${one}`, says: { ...here, direction: 'in' } }
        yield { path: `/${verb}/output/${one}`, says: { ...here, direction: 'out' } }
        const from = { ...here, direction: 'forward_from' }
        yield { path: `/${verb}/forward/${one}`, says: from }
        for (const [second, far] of entries(beyond)) {
          const through = { ...from, ...(far && { peer_interface: far }) }
          // With "any" and nobody at the second end it is the rule of one end.
          if (far) yield { path: `/${verb}/forward/${one}/${second}`, says: through }
          for (const peer of peers)
            yield {
              path: `/${verb}/forward/${one}/${second}/${peer}`,
              says: { ...through, peer },
            }
        }
      }
}

describe('each rule that rfw could write', () => {
  test('is an order that a node understands, and that comes out of a snapshot as it went in', () => {
    for (const { path, says } of rules()) {
      const action = Action.safeParse({ ...order, ...says })
      assert.ok(action.success && action.data.action !== 'lift', path)
      const standing: StandingAction = action.data
      assert.deepEqual(standing, { ...order, ...says }, path)
      const row = readRow(JSON.parse(printRow(standing)))
      assert.ok('order' in row, path)
      assert.deepEqual(row.order, standing, path)
    }
  })

  test('is an order of its own: no two rules are the same order', () => {
    const all = [...rules()]
    const orders = new Set(all.map(({ says }) => JSON.stringify(Object.entries(says).sort())))
    assert.equal(orders.size, all.length)
    assert.equal(all.length, 3 * 3 * 2 * (3 + 2 + 3 * 2))
  })

  const told: Record<string, object> = {
    '/drop/forward/eth0/198.51.100.7/eth1/192.0.2.10': {
      action: 'block',
      direction: 'forward_from',
      target: '198.51.100.7',
      interface: 'eth0',
      peer: '192.0.2.10',
      peer_interface: 'eth1',
    },
    '/accept/forward/ppp/198.51.100.0/24/any/192.0.2.0/28': {
      action: 'allow',
      direction: 'forward_from',
      target: '198.51.100.0/24',
      interface: 'ppp*',
      peer: '192.0.2.0/28',
    },
    '/reject/forward/any/198.51.100.7/eth1': {
      action: 'block',
      response: 'reject',
      direction: 'forward_from',
      target: '198.51.100.7',
      peer_interface: 'eth1',
    },
    '/drop/forward/any/198.51.100.7': {
      action: 'block',
      direction: 'forward_from',
      target: '198.51.100.7',
    },
    '/accept/input/eth0/198.51.100.7': {
      action: 'allow',
      direction: 'in',
      target: '198.51.100.7',
      interface: 'eth0',
    },
    '/drop/output/ppp/198.51.100.7': {
      action: 'block',
      direction: 'out',
      target: '198.51.100.7',
      interface: 'ppp*',
    },
  }
  for (const [path, says] of Object.entries(told))
    test(`PUT ${path} is ${JSON.stringify(says)}`, () => {
      const found = [...rules()].find((rule) => rule.path === path)
      assert.deepEqual(found?.says, says)
    })
})

describe('an order about both ends is not understood', () => {
  const forwarded = { ...order, action: 'block', direction: 'forward_from', target: '198.51.100.7' }
  const wrong = {
    'with a peer of the other family': { ...forwarded, peer: '2001:db8::1' },
    'with everybody as the peer': { ...forwarded, peer: '0.0.0.0/0' },
    'with a peer that is not canonical': { ...forwarded, peer: '192.0.2.10/24' },
    'with a peer that is no address': { ...forwarded, peer: 'router' },
    "with an interface on the peer's side of what is for the node": {
      ...forwarded,
      direction: 'in',
      peer_interface: 'eth1',
    },
    'with a way that is none': { ...forwarded, direction: 'forward_by' },
    "with a peer's interface that is no name": { ...forwarded, peer_interface: 'eth 1' },
  }
  for (const [name, entry] of Object.entries(wrong))
    test(name, () => {
      assert.equal(Action.safeParse(entry).success, false)
    })

  test('unless all of it fits: the peer may be named in any direction', () => {
    for (const direction of ['in', 'out', 'both', 'forward', 'forward_from', 'forward_to'])
      assert.ok(Action.safeParse({ ...forwarded, direction, peer: '192.0.2.10' }).success)
  })
})

function entries<Name extends string, Value>(table: Readonly<Record<Name, Value>>) {
  return Object.entries(table) as [Name, Value][]
}
