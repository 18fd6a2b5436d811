/** What holds for every alert, whatever it says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { overlaps, readAddress } from '#contract/address.ts'
import { decide } from '../../actions/decide/decide.ts'
import { blockLength } from '../../actions/decide/order.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { alert, blockAll, facts, now } from './given.ts'

const four = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, n]) => `${ip}/${n}`)
const six = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })).map(([ip, n]) => `${ip}/${n}`)
// Close together, so that they meet often.
const near = fc
  .tuple(fc.constantFrom(24, 28, 32), fc.nat(255), fc.nat(3))
  .map(([prefix, host, net]) => `203.0.${net}.${host}/${prefix}`)
const nearSix = fc
  .tuple(fc.constantFrom(48, 56, 64, 128), fc.nat(3), fc.nat(3))
  .map(([prefix, net, host]) => `2001:db8:0:${net}::${host}/${prefix}`)
const network = fc
  .oneof(near, nearSix, four, six)
  .filter((text) => !/^::ffff:/.test(readable(text)))
  .map((text) => readAddress(text).text)

function readable(text: string): string {
  try {
    return readAddress(text).text
  } catch {
    return '::ffff:'
  }
}

const defaults = readPolicy(
  readFileSync(new URL('../../actions/default-policy.yaml', import.meta.url), 'utf8'),
)
const anyAlert = fc.record({
  attacker: network,
  source: fc.constantFrom('wazuh', 'suricata', 'webhook'),
  severity: fc.nat(100),
  groups: fc.subarray(['authentication_failures', 'web', 'attack', 'recon', 'ids']),
  ageMs: fc.integer({ min: -600_000, max: 7_200_000 }),
})
const given = ({
  severity,
  groups,
  ...more
}: typeof anyAlert extends fc.Arbitrary<infer A> ? A : never) =>
  alert({ ...more, rule: { severity, groups } })

describe('whatever the alert', () => {
  test('nothing is blocked that overlaps what the policy protects or what is ours', () => {
    fc.assert(
      fc.property(
        anyAlert,
        fc.array(network, { maxLength: 4 }),
        fc.array(network, { maxLength: 4 }),
        (a, protect, own) => {
          const policy = readPolicy(blockAll({ top: `protect: ${JSON.stringify(protect)}` }))
          const verdict = decide({ alert: given(a), facts: facts({ own }), policy, now })
          if (verdict.order === undefined) return
          const target = readAddress(verdict.order.target)
          for (const text of [...protect, ...own, '127.0.0.0/8', '224.0.0.0/4', 'fe80::/10'])
            assert.ok(!overlaps(readAddress(text), target), `${target.text} overlaps ${text}`)
        },
      ),
    )
  })

  test('nothing is blocked wider than the ceilings, and nothing narrower than the attacker', () => {
    fc.assert(
      fc.property(anyAlert, (a) => {
        const verdict = decide({ alert: given(a), facts: facts(), policy: defaults, now })
        if (verdict.order === undefined) return
        const target = readAddress(verdict.order.target)
        assert.ok(target.prefix <= readAddress(a.attacker).prefix)
        if (verdict.outcome === 'block') assert.ok(target.prefix >= (target.family === 4 ? 24 : 48))
      }),
    )
  })

  test('nothing is blocked on an alert that is too old or from the future', () => {
    fc.assert(
      fc.property(anyAlert, (a) => {
        const { outcome } = decide({ alert: given(a), facts: facts(), policy: defaults, now })
        if (a.ageMs > 3_600_000 || a.ageMs < -300_000) assert.equal(outcome, 'watch')
      }),
    )
  })

  test('the same question gets the same answer, and every answer has a reason', () => {
    fc.assert(
      fc.property(anyAlert, fc.nat(20), (a, offences) => {
        const matter = { alert: given(a), facts: facts({ offences }), policy: defaults, now }
        const verdict = decide(matter)
        assert.deepEqual(
          decide({ ...matter, alert: given(a), facts: facts({ offences }) }),
          verdict,
        )
        assert.ok(verdict.reasons.length > 0)
      }),
    )
  })
})

test('more offences never make a block shorter, nor longer than the ceiling', () => {
  const length = fc.integer({ min: 1, max: 31_622_400_000 })
  fc.assert(
    fc.property(
      length,
      length,
      fc.double({ min: 1, max: 1_000, noNaN: true }),
      fc.nat(5_000),
      (a, b, factor, offences) => {
        const [lengthMs, ceilingMs] = [Math.min(a, b), Math.max(a, b)]
        const once = blockLength(lengthMs, { factor, ceilingMs }, offences)
        const again = blockLength(lengthMs, { factor, ceilingMs }, offences + 1)
        assert.ok(lengthMs <= once && once <= again && again <= ceilingMs)
      },
    ),
  )
})
