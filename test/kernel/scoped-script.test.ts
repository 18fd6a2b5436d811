/** What nft is told of scoped orders, and in which order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import type { ScopedElement } from '../../agent/kernel/firewall.ts'
import { scopedState } from '../../agent/kernel/scoped.ts'
import {
  changeScoped,
  type Found,
  freshStanding,
  isAll,
  type Standing,
} from '../../agent/kernel/scoped-script.ts'
import { element } from './scoped.ts'

const port = { port: 22, protocol: 'tcp' } as const

function change(standing: Standing, ...elements: readonly ScopedElement[]) {
  return changeScoped('cordon', standing, scopedState(elements, 0), 0)
}

test('what is as it was is told nobody, and what has ended is left out', () => {
  const one = element('drop', 'in', '203.0.113.7', port)
  const { standing } = change(freshStanding, one)
  assert.deepEqual(
    change(standing, one, element('drop', 'in', '203.0.113.8', { end: 0 })).scripts,
    [],
  )
  assert.deepEqual(change(freshStanding).scripts, [])
})

test('one more of a kind is added to what is there, and no rule is touched', () => {
  const one = element('drop', 'in', '203.0.113.7', port)
  const { standing } = change(freshStanding, one)
  const { scripts } = change(standing, one, element('drop', 'in', '203.0.113.8', port))
  assert.equal(scripts.length, 1)
  assert.match(
    scripts[0] ?? '',
    /^add element inet cordon drop_in4_to_port_0_a { 203.0.113.8 . 6 . 22 timeout 0d60s0ms }\nadd element inet cordon count_drop_in4_to_port_0_a { 203.0.113.8 . 6 . 22 comment "[0-9a-f]{16}" }\n$/,
  )
})

test('what counts is made anew only when something leaves: a longer end leaves it as it is', () => {
  const one = element('drop', 'in', '203.0.113.7', port)
  const first = change(freshStanding, one)
  assert.deepEqual([...first.made].sort(), ['count_drop_in4_to_port_0', 'drop_in4_to_port_0'])
  const longer = change(first.standing, { ...one, end: 120_000 })
  assert.deepEqual(longer.leaving, [])
  assert.deepEqual([...longer.made], ['drop_in4_to_port_0'])
  assert.doesNotMatch(longer.scripts.join(''), /(add|delete) (set|element) inet cordon count_/)
  const { leaving, scripts } = change(longer.standing)
  assert.deepEqual(leaving, ['count_drop_in4_to_port_0_a'])
  assert.match(scripts.join(''), /delete set inet cordon count_drop_in4_to_port_0_a\n/)
})

test('what is only allowed is not counted', () => {
  const { scripts } = change(freshStanding, element('allow', 'in', '203.0.113.7', port))
  assert.doesNotMatch(scripts.join(''), /count_/)
})

test('rules turn to a set that takes the place of another only when it is full, and then the other goes', () => {
  const one = element('drop', 'in', '203.0.113.7', port)
  const other = element('drop', 'in', '203.0.113.8', port)
  const { standing } = change(freshStanding, one, other)
  const { scripts, standing: next } = change(standing, one)
  const [filling = '', turning = ''] = scripts
  assert.equal(scripts.length, 2)
  assert.match(
    filling,
    /add set inet cordon drop_in4_to_port_0_b .*\nadd element inet cordon drop_in4_to_port_0_b /,
  )
  assert.doesNotMatch(filling, /rule|flush|delete/)
  assert.match(turning, /delete set inet cordon drop_in4_to_port_0_a\n/)
  assert.match(turning, /@drop_in4_to_port_0_b goto drop_in4/)
  assert.match(change(next).scripts.join(), /delete set inet cordon drop_in4_to_port_0_b/)
})

test('what was found of an earlier time goes when the new is full, and a rate that stays is not taken away', () => {
  const limit = element('limit', 'in', '203.0.113.7', port)
  const { scripts } = change(freshStanding, limit)
  const rate = /add limit inet cordon (rate_\w+)/.exec(scripts.join())?.[1] ?? ''
  const found = [
    { kind: 'map', name: 'limit_in4_to_port_0_a' },
    { kind: 'limit', name: rate },
    { kind: 'limit', name: 'rate_0123456789abcdef' },
  ] as const
  const again = change({ ...freshStanding, found, known: false }, limit).scripts
  assert.match(again[0] ?? '', /limit_in4_to_port_0_b/)
  assert.match(again[1] ?? '', /delete map inet cordon limit_in4_to_port_0_a/)
  const deleted = [...again.join('').matchAll(/delete limit inet cordon (\w+)/g)].map(
    ([, name]) => name,
  )
  assert.deepEqual(deleted, ['rate_0123456789abcdef'])
})

test('how often a reject is answered has a bound in each chain, above which it is dropped', () => {
  const { scripts } = change(
    freshStanding,
    element('reject', 'in', '203.0.113.7'),
    element('reject', 'forward', '2001:db8::7', port),
  )
  const rules = scripts.join('').split('\n')
  const answered = rules.flatMap((rule, index) =>
    / reject with tcp reset$/.test(rule) ? [index] : [],
  )
  assert.equal(answered.length, 3)
  for (const index of answered)
    assert.match(rules[index - 1] ?? '', / limit rate over 1000\/second burst 1000 packets drop$/)
})

test('nothing is dropped or rejected but behind the question whether it must never be blocked', () => {
  const all = (['drop', 'reject', 'allow', 'limit'] as const).flatMap((verdict) =>
    (['in', 'out', 'forward'] as const).flatMap((way) =>
      ['203.0.113.7', '2001:db8::7'].flatMap((text) => [
        element(verdict, way, text),
        element(verdict, way, text, port),
      ]),
    ),
  )
  const { scripts } = change({ ...freshStanding, known: false }, ...all)
  const chains = new Map<string, string[]>()
  for (const [, chain = '', rule = ''] of scripts
    .join('')
    .matchAll(/^add rule inet cordon (\w+) (.*)$/gm))
    chains.set(chain, [...(chains.get(chain) ?? []), rule])
  let ends = 0
  for (const [chain, rules] of chains)
    for (const [index, rule] of rules.entries()) {
      if (!/(^| )(drop|reject.*)$/.test(rule) || / goto /.test(rule)) continue
      ends++
      assert.ok(
        rules.slice(0, index).some((one) => /^ip6? [sd]addr @never[46] return$/.test(one)),
        chain,
      )
    }
  assert.equal(ends, 6 + 8 + 8 + 24)
  for (const goal of scripts.join('').matchAll(/goto (\w+)/g))
    assert.ok(chains.has(goal[1] ?? ''), goal[0])
})

const peer = (text: string) => readAddress(text)
const pair = (n: number, more: Partial<ScopedElement> = {}) => [
  element('drop', 'forward_from', `203.0.113.${n}`, {
    ...{ port: n, interface: `eth${n}`, peerInterface: `ppp${n}` },
    ...{ peer: peer(`192.0.2.${n}`), ...more },
  }),
  element('drop', 'forward_from', `2001:db8::${n}`, {
    ...{ port: n, interface: `eth${n}`, peerInterface: `ppp${n}` },
    ...{ peer: peer(`2001:db8:1::${n}`), ...more },
  }),
]
const rulesOf = (scripts: readonly string[]) =>
  [...scripts.join('').matchAll(/^add rule /gm)].length

test('the number of rules does not grow with orders about both ends', () => {
  const some = (count: number, more?: Partial<ScopedElement>) =>
    Array.from({ length: count }, (_, n) => pair(n + 1, more)).flat()
  for (const more of [{}, { verdict: 'allow' }] as const) {
    const few = rulesOf(change(freshStanding, ...some(1, more)).scripts)
    assert.ok(few > 0)
    assert.equal(rulesOf(change(freshStanding, ...some(200, more)).scripts), few)
  }
})

test('what one key cannot hold stands in two, of which the one that counts is asked last', () => {
  const script = change(freshStanding, ...pair(7)).scripts.join('')
  for (const [family, ip] of [
    [4, 'ip'],
    [6, 'ip6'],
  ] as const) {
    const main = `drop_forward_from${family}_via_beyond_peer_to_port_0_a`
    assert.match(
      script,
      new RegExp(
        ` oifname \\. ${ip} saddr [^@\\n]* @\\w+_gate_0_a iifname \\. ${ip} saddr [^@\\n]* @${main} goto `,
      ),
    )
  }
  const fewer = change(freshStanding, ...pair(7, { ports: undefined, protocol: undefined }))
  assert.doesNotMatch(fewer.scripts.join(''), /_gate/)
  assert.match(
    fewer.scripts.join(''),
    /_0_a \{ "eth7" \. "ppp7" \. 203\.0\.113\.7 \. 192\.0\.2\.7 timeout/,
  )
})

test('what is allowed by the interface it leaves by is judged again only while it is allowed', () => {
  const allow = element('allow', 'forward_from', '203.0.113.7', { peerInterface: 'eth1' })
  const within = element('allow', 'forward', '203.0.113.0/24', { interface: 'eth2', end: 30_000 })
  const none = element('allow', 'forward_from', '203.0.113.9', { interface: 'eth1' })
  assert.doesNotMatch(change(freshStanding, none).scripts.join(''), /@again|add chain/)
  const { scripts, standing } = change(freshStanding, allow, within)
  assert.match(
    scripts.join(''),
    /add element inet cordon again4_a \{ 203\.0\.113\.0\/24 timeout 0d660s0ms \}/,
  )
  assert.match(scripts.join(''), /add chain inet cordon input /)
  const ended = change(standing, none).scripts.join('')
  assert.match(ended, /flush chain inet cordon input\ndelete chain inet cordon input\n/)
  assert.match(ended, /delete set inet cordon again4_a\n/)
  assert.doesNotMatch(ended, /add chain|@again/)
  const scriptsOf = change(standing, none).scripts.map((one) => one.split('\n'))
  const [coming = [], rest = []] = scriptsOf.slice(-2)
  assert.ok(coming.length > 4 && coming.every((line) => /^$| \w+_in[46]( |$)/.test(line)))
  assert.ok(
    rest.some((line) => /delete chain/.test(line)),
    'and only then the judgement goes',
  )
  const other = element('allow', 'forward_from', '203.0.113.8', { peerInterface: 'eth1' })
  const swapped = change(standing, other).scripts.at(-2) ?? ''
  assert.match(swapped, / ip saddr @again4_a ip saddr @again4_b fib daddr type unicast return\n/)
  const found = [{ kind: 'chain', name: 'input' }] as const
  const left = change({ ...freshStanding, found, known: false }).scripts.join('')
  assert.match(left, /delete chain inet cordon input\n/)
})

test('what stands is known by its names, with the chain of those who are judged again', () => {
  const allow = element('allow', 'forward_from', '203.0.113.7', { peerInterface: 'eth1' })
  const { standing } = change(freshStanding, allow)
  const sets = [...standing.names.values()].map((name): Found => ({ kind: 'set', name }))
  assert.ok(isAll([...sets, { kind: 'chain', name: 'input' }], standing))
  assert.ok(!isAll(sets, standing), 'somebody took the chain away')
})
