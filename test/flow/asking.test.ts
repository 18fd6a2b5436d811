/** Alerts that wait for a provider, and blocks that are confirmed by one: nothing is lost, nothing is judged twice. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type IntelligenceFact, nothingOutside } from '../../actions/decide/outside.ts'
import type { FactSources } from '../../actions/facts/sources.ts'
import { openAsking } from '../../actions/flow/ask.ts'
import { listPending } from '../../actions/store/pending.ts'
import { alert } from '../decide/given.ts'
import { openTestService, record, type TestService, type TestServiceOptions } from '../service.ts'

const asking = `
version: 1
sources: { abuseipdb: { fail: review, wait: 1s } }
rules:
  - { name: known, because: a provider knows it, when: intel("abuseipdb").score >= 75, verdict: block, for: 1h }
`
const provisional = `
version: 1
sources: { abuseipdb: { fail: review } }
rules:
  - name: at once
    because: it is severe
    when: alert.severity >= 70
    verdict: block
    for: 2h
    provisional: { for: 5m, confirm: intel("abuseipdb").score >= 75 }
`

describe('an alert whose rule needs a provider', () => {
  test('is stored and answered as pending before anybody is asked', async (t) => {
    const provider = held()
    const service = await open(t, { policy: asking, sources: provider.sources })
    const answer = await service.alert(record('203.0.113.7', { id: 'a' }))
    assert.equal(answer.body.items?.[0]?.alerts?.[0]?.state, 'pending')
    assert.deepEqual(provider.asked, ['203.0.113.7 abuseipdb 1000'])
    assert.deepEqual(await states(service), [])
    provider.answer(score(80))
    await settled(service)
    assert.deepEqual(await states(service), ['issued 203.0.113.7'])
  })

  test('keeps the decision that its sender was told', async (t) => {
    const provider = held()
    const service = await open(t, { policy: asking, sources: provider.sources })
    const answer = await service.alert(record('203.0.113.7', { id: 'a' }))
    provider.answer(score(80))
    await settled(service)
    const [decision] = (await decisions(service)).map(({ id }) => id)
    assert.equal(answer.body.items?.[0]?.alerts?.[0]?.decision, decision)
  })

  test('is asked about once, however often it is sent', async (t) => {
    const provider = held()
    const service = await open(t, { policy: asking, sources: provider.sources })
    for (let n = 0; n < 3; n++) await service.alert(record('203.0.113.7', { id: 'a' }))
    assert.equal(provider.asked.length, 1)
    provider.answer(score(80))
    await settled(service)
    const again = await service.alert(record('203.0.113.7', { id: 'a' }))
    assert.equal(again.body.items?.[0]?.status, 'repeat')
    assert.deepEqual(await states(service), ['issued 203.0.113.7'])
  })

  test('is watched when the provider has nothing against it', async (t) => {
    const service = await open(t, { policy: asking, sources: now(score(5)) })
    await service.alert(record('203.0.113.7'))
    await settled(service)
    assert.deepEqual(await states(service), ['noted 203.0.113.7'])
  })

  test('is a question for a person when the provider is down and the policy says review', async (t) => {
    const service = await open(t, { policy: asking, sources: now(down) })
    await service.alert(record('203.0.113.7'))
    await settled(service)
    assert.deepEqual(await states(service), ['waiting 203.0.113.7'])
    const [decision] = await decisions(service)
    assert.match(
      decision?.because.join(' ') ?? '',
      /abuseipdb did not answer \(it is down\), so a person decides/,
    )
  })

  test('is taken up again by the next start after a crash', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-test-'))
    t.after(() => rmSync(dir, { recursive: true, force: true }))
    const before = await openTestService({ dir, policy: asking, sources: held().sources })
    await before.alert(record('203.0.113.7'))
    await before.close()
    const service = await open(t, { dir, policy: asking, sources: now(score(80)) })
    await settled(service)
    assert.deepEqual(await states(service), ['issued 203.0.113.7'])
  })

  test('is asked about once when it came before the start had looked for what was left', async (t) => {
    const provider = held()
    const service = await open(t, { policy: asking, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    await service.flow.asking.resume()
    assert.equal(provider.asked.length, 1)
    provider.answer(down)
    await settled(service)
    assert.deepEqual(await states(service), ['waiting 203.0.113.7'])
  })

  test('is judged when every provider of every rule was asked, and each rule hears its own again', async (t) => {
    const policy = asking.replace(
      'rules:',
      'rules:\n  - { name: first, because: x, when: intel("greynoise").malicious, verdict: block, for: 1h }',
    )
    const provider = held(['abuseipdb', 'greynoise'])
    const service = await open(t, { policy, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    for (let turn = 0; turn < 10_000 && service.flow.asking.waiting() > 0; turn++) {
      provider.answer(score(5))
      await new Promise(setImmediate)
    }
    assert.deepEqual(provider.asked, [
      '203.0.113.7 greynoise 2000',
      '203.0.113.7 greynoise,abuseipdb 2000',
    ])
    assert.deepEqual(await states(service), ['noted 203.0.113.7'])
  })

  test('does not hold up the others of its batch', async (t) => {
    const policy = asking.replace(
      'rules:',
      'rules:\n  - { name: grave, because: grave, when: alert.severity >= 90, verdict: block, for: 1h }',
    )
    const provider = held()
    const service = await open(t, { policy, sources: provider.sources })
    await service.alert([record('203.0.113.7'), record('203.0.113.8', { severity: 95 })])
    assert.deepEqual(await states(service), ['issued 203.0.113.8'])
    provider.answer(down)
    await settled(service)
  })
})

describe('a provider that knows a common service', () => {
  const trusted = (): IntelligenceFact => ({
    state: 'answered',
    verdict: 'benign',
    score: 0,
    trusted: true,
    tags: [],
    summary: 'a public resolver',
    ageMs: 0,
  })

  test('is heard by a question that was asked before it said so: the clock does not block', async (t) => {
    const policy = asking
      .replace('rules:', 'review: { timeout: 1h, at_timeout: block }\nrules:')
      .replace('score >= 75, verdict: block', 'score >= 0, verdict: review')
    const provider = held()
    const service = await open(t, { policy, sources: provider.sources })
    for (const fact of [score(80), trusted()]) {
      await service.alert(record('203.0.113.7', { id: `says ${JSON.stringify(fact)}` }))
      provider.answer(fact)
      await settled(service)
    }
    assert.deepEqual(await states(service), ['waiting 203.0.113.7'])
    service.clock.now += 3_600_001
    await service.flow.review.timeOut()
    assert.deepEqual(await states(service), ['declined 203.0.113.7'])
  })

  test('is heard by a question that a short block asked before', async (t) => {
    const policy = provisional
      .replace('rules:', 'review: { timeout: 1h, at_timeout: block }\nrules:')
      .replace('>= 75 }', '>= 75, otherwise: review }')
    const provider = held()
    const service = await open(t, { policy, sources: provider.sources })
    for (const fact of [score(5), trusted()]) {
      await service.alert(record('203.0.113.7', { id: `says ${JSON.stringify(fact)}` }))
      provider.answer(fact)
      await settled(service)
      service.clock.now += 300_001
    }
    service.clock.now += 3_600_001
    await service.flow.review.timeOut()
    const answered = (await states(service)).filter((state) => !state.startsWith('issued'))
    assert.deepEqual(answered, ['declined 203.0.113.7'])
  })
})

describe('what waits for providers', () => {
  test('does not hold up a stop, and waits on the disk for the next start', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-test-'))
    t.after(() => rmSync(dir, { recursive: true, force: true }))
    const service = await openTestService({ dir, policy: asking, sources: held().sources })
    await service.alert(record('203.0.113.7'))
    await service.flow.asking.stop()
    assert.equal((await listPending(service.flow.store.read)).length, 1)
    await service.close()
  })

  test('never grows without bound: above ten thousand alerts are judged as if providers were silent', async (t) => {
    const provider = held()
    const { flow } = await open(t, { policy: asking })
    const judged: string[] = []
    const waiting = openAsking({
      store: flow.store,
      sources: provider.sources,
      log: flow.log,
      policy: flow.policy.current,
      judge: async ({ id }, given) => {
        const fact = given.get(id)?.abuseipdb
        judged.push(fact?.state === 'silent' ? fact.problem : 'asked')
      },
      confirm: async () => {},
      pause: async () => {},
    })
    const pending = { alert: alert(), decision: 'd-0000000000000000', providers: ['abuseipdb'] }
    waiting.later(Array.from({ length: 10_100 }, () => ({ ...pending })))
    for (let turn = 0; turn < 1_000 && provider.asked.length < 64; turn++)
      await new Promise(setImmediate)
    assert.equal(provider.asked.length, 64)
    assert.equal(judged.length, 99)
    assert.ok(judged.every((how) => how === 'more than 10000 alerts wait for an answer'))
    await waiting.stop()
  })
})

describe('a provisional block', () => {
  test('is in force at once and grows to its length when it is confirmed', async (t) => {
    const provider = held()
    const service = await open(t, { policy: provisional, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    assert.equal((await decisions(service))[0]?.length_s, 300)
    provider.answer(score(80))
    await settled(service)
    const [decision] = await decisions(service)
    assert.equal(decision?.length_s, 7_200)
    assert.deepEqual(await timeline(service, decision?.id), ['decision.issue', 'decision.confirm'])
    assert.match(decision?.because.join(' ') ?? '', /What was asked confirms the rule "at once"/)
  })

  test('is lifted on every node when it is not confirmed', async (t) => {
    const service = await open(t, { policy: provisional, sources: now(score(5)) })
    await service.alert(record('203.0.113.7'))
    await settled(service)
    const [decision] = await decisions(service)
    assert.equal(decision?.state, 'ended')
    assert.deepEqual(await timeline(service, decision?.id), ['decision.issue', 'decision.lift'])
    const envelopes = await service.flow.store.read.selectFrom('envelopes').select('jws').execute()
    assert.equal(envelopes.length, 2)
    const claims = Buffer.from(envelopes[1]?.jws.split('.')[1] ?? '', 'base64url').toString()
    assert.equal(JSON.parse(claims).actions[0].action, 'lift')
  })

  test('goes on to its short end while a person decides about the whole', async (t) => {
    const service = await open(t, { policy: provisional, sources: now(down) })
    await service.alert(record('203.0.113.7'))
    await settled(service)
    const found = await decisions(service)
    assert.deepEqual(found.map(({ state, length_s }) => `${state} ${length_s}`).sort(), [
      'issued 300',
      'waiting 7200',
    ])
  })

  test('that a person lifted meanwhile stays lifted', async (t) => {
    const provider = held()
    const service = await open(t, { policy: provisional, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    const [decision] = await decisions(service)
    await service.ask('POST', `/v1/decisions/${decision?.id}/lift`, { body: { reason: 'ours' } })
    provider.answer(score(80))
    await settled(service)
    assert.deepEqual(await timeline(service, decision?.id), ['decision.issue', 'decision.lift'])
  })

  test('is confirmed by the next start after a crash', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-test-'))
    t.after(() => rmSync(dir, { recursive: true, force: true }))
    const before = await openTestService({ dir, policy: provisional, sources: held().sources })
    await before.alert(record('203.0.113.7'))
    await before.close()
    const service = await open(t, { dir, policy: provisional, sources: now(score(80)) })
    await settled(service)
    assert.equal((await decisions(service))[0]?.length_s, 7_200)
  })

  test('is asked about once, and more alerts while it is asked about do not spoil the answer', async (t) => {
    const provider = held()
    const service = await open(t, { policy: provisional, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    service.clock.now += 60_000
    await service.alert(record('203.0.113.7', { id: 'more' }))
    assert.equal(provider.asked.length, 1)
    provider.answer(score(80))
    await settled(service)
    const found = await decisions(service)
    assert.deepEqual(
      found.map(({ state, length_s }) => `${state} ${length_s}`),
      ['issued 7200'],
    )
  })

  test('that a surer rule stands behind meanwhile is not lifted', async (t) => {
    const policy = provisional.replace(
      'rules:',
      'rules:\n  - { name: sure, because: it is grave, when: alert.severity >= 90, verdict: block, for: 5m }',
    )
    const provider = held()
    const service = await open(t, { policy, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    service.clock.now += 10_000
    await service.alert(record('203.0.113.7', { severity: 95 }))
    provider.answer(score(5))
    await settled(service)
    const [decision] = await decisions(service)
    assert.equal(decision?.state, 'issued')
    assert.deepEqual(await timeline(service, decision?.id), ['decision.issue', 'decision.prolong'])
  })

  test('that comes back while a person has not answered asks no second time', async (t) => {
    const service = await open(t, { policy: provisional, sources: now(down) })
    await service.alert(record('203.0.113.7'))
    await settled(service)
    service.clock.now += 300_001
    await service.alert(record('203.0.113.7', { id: 'again' }))
    await settled(service)
    const waiting = (await states(service)).filter((state) => state.startsWith('waiting'))
    assert.deepEqual(waiting, ['waiting 203.0.113.7'])
  })

  test('that was settled already is not settled again', async (t) => {
    const provider = held()
    const service = await open(t, { policy: provisional, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    const pending = await listPending(service.flow.store.read)
    service.flow.asking.later(pending)
    provider.answer(score(80))
    await settled(service)
    const [decision] = await decisions(service)
    assert.deepEqual(await timeline(service, decision?.id), ['decision.issue', 'decision.confirm'])
  })

  test('that ended before anybody answered is not brought back', async (t) => {
    const provider = held()
    const service = await open(t, { policy: provisional, sources: provider.sources })
    await service.alert(record('203.0.113.7'))
    service.clock.now += 300_001
    provider.answer(score(80))
    await settled(service)
    const [decision] = await decisions(service)
    assert.deepEqual(await timeline(service, decision?.id), ['decision.issue'])
  })
})

const score = (score: number): IntelligenceFact => ({
  state: 'answered',
  verdict: score >= 75 ? 'malicious' : 'unknown',
  score,
  trusted: false,
  tags: [],
  summary: 'as the test says',
  ageMs: 0,
})
const down: IntelligenceFact = { state: 'silent', problem: 'it is down' }

/** A provider that answers when the test says so. */
function held(askable = ['abuseipdb']) {
  const asked: string[] = []
  const waiting: ((fact: IntelligenceFact) => void)[] = []
  return {
    asked,
    answer: (fact: IntelligenceFact) => {
      for (const tell of waiting.splice(0)) tell(fact)
    },
    sources: sourcesThat(
      (address, providers, budgetMs) =>
        new Promise<IntelligenceFact>((resolve) => {
          asked.push(`${address} ${providers} ${budgetMs}`)
          waiting.push(resolve)
        }),
      askable,
    ),
  }
}

function now(fact: IntelligenceFact): FactSources {
  return sourcesThat(async () => fact)
}

function sourcesThat(
  say: (
    address: string,
    providers: readonly string[],
    budgetMs: number,
  ) => Promise<IntelligenceFact>,
  askable = ['abuseipdb'],
): FactSources {
  return {
    of: () => ({ ...nothingOutside, askable }),
    ask: async (address, providers, budgetMs) => {
      const fact = await say(address.text, providers, budgetMs)
      return Object.fromEntries(providers.map((name) => [name, fact]))
    },
    look: async () => {},
    states: () => [],
  }
}

async function open(t: TestContext, options: TestServiceOptions): Promise<TestService> {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

const settled = (service: TestService) => service.flow.asking.settled()

type Shown = { id: string; state: string; target: string; length_s: number; because: string[] }

async function decisions(service: TestService): Promise<Shown[]> {
  const answer = await service.ask('GET', '/v1/decisions')
  return JSON.parse(answer.text).decisions
}

async function states(service: TestService): Promise<string[]> {
  return (await decisions(service)).map(({ state, target }) => `${state} ${target}`)
}

async function timeline(service: TestService, id: string | undefined): Promise<string[]> {
  const answer = await service.ask('GET', `/v1/decisions/${id}`)
  return JSON.parse(answer.text).timeline.map(({ action }: { action: string }) => action)
}
