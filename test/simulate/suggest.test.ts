/** Suggestions through the front door: what speaks for each, its diff, and its effect. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { applyPatch } from 'diff'
import { type IntelligenceFact, nothingOutside } from '../../actions/decide/outside.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { type Suggestion, Suggestions } from '../../actions/simulate/suggestion.ts'
import { noSources } from '../no-sources.ts'
import {
  openTestService,
  plainPolicy,
  record,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

const hourMs = 3_600_000

describe('what people do again and again', () => {
  test('an address that was declined twice is to be protected', async (t) => {
    const service = await open(t)
    for (let n = 0; n < 2; n++) await answered(service, '203.0.113.1', 'decline')
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['protect', '203.0.113.1'])
    assert.match(found?.evidence.join(' ') ?? '', /lifted 0 times and declined 2 times, by token/)
    assert.match(found?.diff ?? '', /^\+.*203\.0\.113\.1.*people let it go 2 times/m)
    assert.equal(found?.effect.reviews.lost.alerts, 2)
  })

  test('an address that was approved in between is not', async (t) => {
    const service = await open(t)
    await answered(service, '203.0.113.1', 'decline')
    await answered(service, '203.0.113.1', 'approve')
    service.clock.now += 3 * hourMs
    await answered(service, '203.0.113.1', 'decline')
    assert.deepEqual(kinds(await suggest(service)), [])
  })

  test('a signature that is always approved becomes a rule that blocks, before the one that asked', async (t) => {
    const service = await open(t)
    for (let n = 1; n <= 4; n++) await answered(service, `203.0.113.${n}`, 'approve')
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['rule', 'webhook:test'])
    assert.equal(found?.effect.newly_blocked.addresses, 4)
    const rules = readPolicy(applied(plainPolicy, found)).rules
    assert.deepEqual(
      rules.map(({ name }) => name),
      ['severe', 'always block webhook:test', 'doubtful'],
    )
    assert.equal(rules[1]?.terms?.lengthMs, 2 * hourMs)
  })

  test('a signature that is always declined is only watched', async (t) => {
    const service = await open(t)
    for (let n = 1; n <= 4; n++) await answered(service, `203.0.113.${n}`, 'decline')
    const [found] = await suggest(service)
    assert.equal(found?.says, 'webhook:test is watched without asking')
    assert.equal(found?.effect.reviews.lost.alerts, 4)
  })

  test('a rule whose blocks people lift goes on trial', async (t) => {
    const service = await open(t)
    for (let n = 1; n <= 4; n++) {
      const answer = await service.alert(record(`203.0.113.${n}`))
      const id = answer.body.items?.[0]?.alerts?.[0]?.decision
      if (n <= 2) await ordered(service, id, 'lift')
    }
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['observe', 'severe'])
    assert.deepEqual(found?.evidence, ['People lifted 2 of its 4 blocks.'])
    assert.equal(readPolicy(applied(plainPolicy, found)).rules[0]?.observe, true)
    assert.equal(found?.effect.no_longer_blocked.addresses, 4)
  })
})

describe('what was only observed', () => {
  const onTrial = plainPolicy.replace('for: 1h }', 'for: 1h, observe: true } # to be sure')

  test('a rule on trial that nobody would have minded leaves it', async (t) => {
    const service = await open(t, { policy: onTrial })
    for (let n = 1; n <= 5; n++) await service.alert(record(`203.0.113.${n}`))
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['enforce', 'severe'])
    assert.equal(found?.effect.newly_blocked.addresses, 5)
    assert.match(applied(onTrial, found), /observe: false \} # to be sure/)
  })

  test('is not brought to block an address whose block people lifted', async (t) => {
    const both = onTrial.replace(
      'rules:',
      'rules:\n  - { name: always, because: known, when: alert.rule.id == "known", verdict: block, for: 1h }',
    )
    const service = await open(t, { policy: both })
    for (let n = 1; n <= 5; n++) await service.alert(record(`203.0.113.${n}`))
    const answer = await service.alert(record('203.0.113.1', { rule: 'known' }))
    await ordered(service, answer.body.items?.[0]?.alerts?.[0]?.decision, 'lift')
    assert.ok(!kinds(await suggest(service)).includes('enforce'))
  })

  test('what a provider knows as a common service is to be protected', async (t) => {
    const said: IntelligenceFact = {
      state: 'answered',
      verdict: 'benign',
      score: 0,
      trusted: true,
      tags: [],
      summary: 'a resolver',
      ageMs: 0,
    }
    const policy = plainPolicy.replace(
      'when: alert.severity >= 70',
      'when: \'intel("greynoise").score >= 50\'',
    )
    const service = await open(t, {
      policy,
      sources: {
        ...noSources,
        of: () => ({ ...nothingOutside, askable: ['greynoise'] }),
        ask: async () => ({ greynoise: said }),
      },
    })
    for (let n = 0; n < 3; n++) await service.alert(record('203.0.113.1', { severity: 10 }))
    await service.flow.asking.settled()
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['protect', '203.0.113.1'])
    assert.match(found?.evidence[0] ?? '', /greynoise knows it as a common service/)
  })

  test('a scanner that runs by the clock and never attacks is to be protected', async (t) => {
    const service = await open(t)
    for (let day = 0; day < 3; day++) {
      await service.alert(
        Array.from({ length: 8 }, () =>
          record('203.0.113.9', { severity: 30, groups: ['portscan'] }),
        ),
      )
      service.clock.now += 24 * hourMs
    }
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['protect', '203.0.113.9'])
    assert.match(found?.evidence.join(' ') ?? '', /on 3 days, always in the hours 3:00 UTC/)
  })

  test('a signature that never led to anything is ignored, after all other rules', async (t) => {
    const service = await open(t)
    await service.alert(
      Array.from({ length: 50 }, (_, n) =>
        record(`203.0.113.${n % 5}`, { severity: 10, rule: 'dull' }),
      ),
    )
    const [found] = await suggest(service)
    assert.deepEqual([found?.kind, found?.subject], ['ignore', 'webhook:dull'])
    assert.equal(found?.effect.outcomes.after.ignore, 50)
    assert.equal(readPolicy(applied(plainPolicy, found)).rules.at(-1)?.name, 'ignore webhook:dull')
  })
})

describe('a count that comes late', () => {
  const counting = plainPolicy.replace('alert.severity >= 70', `'seen("10m") >= 6'`)

  test('is lowered when that blocks the same attackers sooner and nobody else', async (t) => {
    const service = await open(t, { policy: counting })
    for (let n = 0; n < 8; n++) {
      await service.alert(record('203.0.113.1', { severity: 20 }))
      service.clock.now += 1_000
    }
    await service.alert(record('203.0.113.2', { severity: 20 }))
    const [found] = await suggest(service)
    assert.equal(found?.says, 'the rule "severe" waits for seen("10m") >= 3 instead of 6')
    assert.equal(found?.effect.blocked_sooner, 1)
  })

  test('is left as it is when that would block others', async (t) => {
    const service = await open(t, { policy: counting })
    for (let n = 0; n < 8; n++) await service.alert(record('203.0.113.1', { severity: 20 }))
    for (let n = 0; n < 4; n++) await service.alert(record('203.0.113.2', { severity: 20 }))
    assert.deepEqual(kinds(await suggest(service)), [])
  })

  test('is left as it is when that would hit a protected address', async (t) => {
    const service = await open(t, { policy: counting })
    for (let n = 0; n < 8; n++) await service.alert(record('203.0.113.1', { severity: 20 }))
    for (let n = 0; n < 4; n++) await service.alert(record('198.51.100.70', { severity: 20 }))
    assert.deepEqual(kinds(await suggest(service)), [])
  })
})

describe('suggestions', () => {
  test('are the same each time, and change nothing', async (t) => {
    const service = await open(t)
    for (let n = 1; n <= 4; n++) await answered(service, `203.0.113.${n}`, 'decline')
    for (let n = 0; n < 2; n++) await answered(service, '203.0.113.9', 'decline')
    const first = await suggest(service)
    assert.deepEqual(await suggest(service), first)
    assert.equal((await service.ask('GET', '/v1/policy')).body.policy, plainPolicy)
  })

  test('of an empty store are none', async (t) => {
    assert.deepEqual(await suggest(await open(t)), [])
  })
})

async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  const service = await openTestService({ onDisk: true, ...options })
  t.after(() => service.close())
  return service
}

/** An alert that asks a person, and the answer. */
async function answered(service: TestService, attacker: string, verb: 'approve' | 'decline') {
  const answer = await service.alert(record(attacker, { severity: 50 }))
  await ordered(service, answer.body.items?.[0]?.alerts?.[0]?.decision, verb)
}

async function ordered(service: TestService, id: string | undefined, verb: string): Promise<void> {
  const answer = await service.ask('POST', `/v1/decisions/${id}/${verb}`, {
    body: { reason: 'as it is' },
  })
  assert.ok(answer.status < 300, answer.text)
}

async function suggest(service: TestService): Promise<Suggestion[]> {
  const answer = await service.ask('POST', '/v1/policy/suggest', { body: {} })
  assert.equal(answer.status, 200, answer.text)
  const { report } = JSON.parse(answer.text.trim().split('\n').at(-1) ?? '')
  assert.ok(report, answer.text)
  return Suggestions.parse(report).suggestions
}

function kinds(found: readonly Suggestion[]): string[] {
  return found.map(({ kind }) => kind)
}

function applied(text: string, found: Suggestion | undefined): string {
  const next = applyPatch(text, found?.diff ?? '')
  assert.ok(next !== false)
  return next
}
