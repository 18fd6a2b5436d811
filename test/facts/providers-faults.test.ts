/** Providers of intelligence that fail: each silence has its reason, costs no more than its budget, and is never taken for clean. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readAddress } from '#contract/address.ts'
import type { Lookup } from '#contract/connector.ts'
import { openAllowance } from '../../actions/facts/providers/allowance.ts'
import type { Providers } from '../../actions/facts/providers/providers.ts'
import { readAnswer } from '../../actions/store/intelligence.ts'
import {
  abuseipdb,
  answering,
  asVendor,
  type Behaviour,
  held,
  never,
  openDouble,
  stuck,
} from './provider-doubles.ts'
import {
  askOne,
  day,
  hour,
  isAnswered,
  isSilent,
  lookupOf,
  openStage,
  type Stage,
} from './providers-stage.ts'

const attacker = '203.0.113.7'
const minute = 60_000
const page = '<!doctype html><title>Sign in to this network</title>'
const spent = { errors: [{ detail: 'Daily rate limit of 1000 requests exceeded', status: 429 }] }

describe('an answer that is none leaves the provider silent, and is not remembered:', () => {
  const cases: [what: string, code: string, behaviour: Behaviour][] = [
    ['a page with status 200', 'invalid_input', answering(200, page)],
    ['an empty body with status 200', 'invalid_input', answering(200, '')],
    ['half of an answer', 'invalid_input', answering(200, '{"data":{"ipAddress":"203.0.113.7"')],
    ['an empty object', 'invalid_input', answering(200, {})],
    ['another address', 'invalid_input', answering(200, abuseipdb('203.0.113.70', 0))],
    ['an answer without end', 'too_large', answering(200, 'x'.repeat(2_000_000))],
    ['a way elsewhere', 'invalid_input', answering(302, '', { location: 'https://x.example/' })],
    ['a fault', 'service_unreachable', answering(500, { errors: [] })],
    ['a busy proxy', 'service_unreachable', answering(503, page)],
    ['a refused key', 'unauthenticated', answering(401, { errors: [] })],
    ['a forbidden question', 'forbidden', answering(403, { errors: [] })],
    ['a spent quota', 'rate_limited', answering(429, spent)],
    ['a refused address', 'unsupported', answering(422, { errors: [{ detail: 'no address' }] })],
    ['a closed connection', 'service_unreachable', (_, response) => void response.destroy()],
  ]
  for (const [what, code, behaviour] of cases)
    test(what, async (t) => {
      const stage = await openStage(t)
      const double = await openDouble(t)
      double.does(behaviour)
      const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', double.url) })
      isSilent(await askOne(providers, 'abuseipdb', attacker), code)
      assert.equal(double.asked.length, 1)
      await providers.close()
      assert.equal(await readAnswer(stage.store.read, 'abuseipdb', attacker), undefined)
    })
})

describe('a provider that cannot be reached says why:', () => {
  test('nobody listens', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    await double.close()
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', double.url) })
    const answer = await askOne(providers, 'abuseipdb', attacker)
    isSilent(answer, 'service_unreachable', /ECONNREFUSED/)
  })

  test('its certificate is of nobody that is trusted', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t, true)
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', url) })
    const answer = await askOne(providers, 'abuseipdb', attacker)
    isSilent(answer, 'service_unreachable', /CERT/)
    assert.deepEqual(asked, [])
  })

  test('the socket is open and nothing comes', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    double.does(never)
    const lookup = await lookupOf('abuseipdb', double.url, { timeout: '30ms' })
    const providers = stage.start({ abuseipdb: lookup })
    const answer = await askOne(providers, 'abuseipdb', attacker)
    isSilent(answer, 'service_unreachable', /did not answer within 30ms/)
  })

  test('half of the answer comes and then nothing', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    double.does(stuck)
    const lookup = await lookupOf('abuseipdb', double.url, { timeout: '40ms' })
    const providers = stage.start({ abuseipdb: lookup })
    const answer = await askOne(providers, 'abuseipdb', attacker)
    isSilent(answer, 'service_unreachable', /did not answer within 40ms/)
  })
})

test('with every provider down each is silent for its own reason, within the budget', async (t) => {
  const stage = await openStage(t)
  const doubles = [await openDouble(t), await openDouble(t), await openDouble(t)] as const
  doubles[0].does(never)
  doubles[1].does(answering(200, page))
  await doubles[2].close()
  // Longer than the test may take: only the budget ends the waiting.
  const settings = { timeout: '1h' }
  const providers = stage.start({
    abuseipdb: await lookupOf('abuseipdb', doubles[0].url, settings),
    virustotal: await lookupOf('virustotal', doubles[1].url, settings),
    greynoise: await lookupOf('greynoise', doubles[2].url, settings),
  })
  const names = ['abuseipdb', 'virustotal', 'greynoise']
  const answers = await providers.ask(readAddress(attacker), names, 2_000)
  isSilent(answers.get('abuseipdb'), 'service_unreachable', /has not answered within 2s/)
  isSilent(answers.get('virustotal'), 'invalid_input')
  isSilent(answers.get('greynoise'), 'service_unreachable', /ECONNREFUSED/)
})

describe('a quota', () => {
  test('that is used up for an hour is not asked for an hour, and then again', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(answering(429, spent, { 'retry-after': '3600' }))
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'rate_limited')
    double.does(asVendor())
    stage.pass(59 * minute)
    isSilent(await askOne(providers, 'abuseipdb', '203.0.113.8'), 'rate_limited', /again in 1m/)
    assert.equal(double.asked.length, 1)
    const [source] = providers.sources()
    assert.equal(source?.state, 'silent')
    assert.equal(source?.details.left, 0)
    assert.equal(source?.details.breaker, 'closed', 'who says no is not broken')
    stage.pass(minute)
    isAnswered(await askOne(providers, 'abuseipdb', attacker))
    assert.equal(providers.sources()[0]?.state, 'ready')
  })

  test('that is used up without a word for how long is asked for ever more rarely', async (t) => {
    const { stage, double, providers } = await open(t, 'virustotal', { per_minute: 1_000 })
    double.does(answering(429, { error: { code: 'QuotaExceededError', message: 'exceeded' } }))
    await everyMinute(stage, providers, 'virustotal', 180)
    assert.ok(double.asked.length >= 4 && double.asked.length <= 8, `${double.asked.length} times`)
    double.does(asVendor())
    stage.pass(hour)
    isAnswered(await askOne(providers, 'virustotal', attacker))
    isAnswered(await askOne(providers, 'virustotal', '203.0.113.8'))
  })

  test('that ends with this answer is not asked for again before it is filled', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(asVendor(90, { 'x-ratelimit-limit': '1000', 'x-ratelimit-remaining': '0' }))
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { score: 90 })
    isSilent(await askOne(providers, 'abuseipdb', '203.0.113.8'), 'rate_limited')
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { cached: true })
    assert.equal(double.asked.length, 1)
    // It is noon; the vendor's day ends at midnight in UTC.
    stage.pass(12 * hour)
    isAnswered(await askOne(providers, 'abuseipdb', '203.0.113.8'))
  })

  test('of a year, by a header, is looked after once a day', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(answering(429, spent, { 'retry-after': '31536000' }))
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'rate_limited')
    double.does(asVendor())
    stage.pass(day)
    isAnswered(await askOne(providers, 'abuseipdb', attacker))
  })

  test('that is told over already is not asked without end', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(answering(429, spent, { 'retry-after': '0', 'x-ratelimit-reset': '0' }))
    for (let second = 0; second < 120; second++) {
      isSilent(await askOne(providers, 'abuseipdb', attacker), 'rate_limited')
      stage.pass(1_000)
    }
    assert.ok(double.asked.length <= 3, `${double.asked.length} times`)
  })

  test('is kept without a word from the vendor: four a minute and so many a day', async (t) => {
    const { stage, double, providers } = await open(t, 'virustotal', { per_day: 6 })
    const ask = (n: number) => askOne(providers, 'virustotal', `203.0.113.${n}`)
    for (let n = 1; n <= 4; n++) isAnswered(await ask(n))
    assert.equal(providers.sources()[0]?.details.left, 0)
    isSilent(await ask(5), 'rate_limited', /again in 1m/)
    stage.pass(minute)
    isAnswered(await ask(5))
    isAnswered(await ask(6))
    isSilent(await ask(7), 'rate_limited', /again in 23h 59m/)
    stage.pass(day - minute)
    isAnswered(await ask(7))
    assert.equal(double.asked.length, 7)
  })

  test('is not spent anew by a restart in the middle of the day', async (t) => {
    const { stage, double, providers } = await open(t, 'abuseipdb', { per_day: 3 })
    for (const n of [1, 2]) isAnswered(await askOne(providers, 'abuseipdb', `203.0.113.${n}`))
    await providers.close()
    stage.pass(hour)
    const lookup = await lookupOf('abuseipdb', double.url, { per_day: 3 })
    const again = stage.start({ abuseipdb: lookup })
    isAnswered(await askOne(again, 'abuseipdb', '203.0.113.3'))
    isSilent(await askOne(again, 'abuseipdb', '203.0.113.4'), 'rate_limited', /again in 23h/)
    assert.equal(double.asked.length, 3)
  })

  test('is never exceeded in any stretch of time, whenever it is asked for', () => {
    const limits = [
      { requests: 4, perMs: 60 },
      { requests: 10, perMs: 500 },
    ]
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 300 }),
        fc.nat(3),
        (gaps, restartEvery) => {
          let at = 1_000
          const clocks = { now: () => at, monotonic: () => at, random: () => 0.5 }
          let allowance = openAllowance(limits, clocks)
          const sent: number[] = []
          for (const [n, gap] of gaps.entries()) {
            at += gap
            if (restartEvery > 0 && n % (restartEvery * 10) === 9) {
              allowance = openAllowance(limits, clocks)
              allowance.recall(sent.toReversed())
            }
            if (allowance.pauseMs() > 0) continue
            assert.ok((allowance.details().left ?? 0) > 0)
            allowance.spend()
            sent.push(at)
          }
          for (const { requests, perMs } of limits)
            for (const time of sent)
              assert.ok(sent.filter((s) => s >= time && s < time + perMs).length <= requests)
        },
      ),
    )
  })

  test('is free again in time when the clock was a year ahead for a while', () => {
    let at = 365 * day
    const clocks = { now: () => at, monotonic: () => 0, random: () => 0 }
    const allowance = openAllowance([{ requests: 1, perMs: day }], clocks)
    allowance.spend()
    at = 0
    assert.equal(allowance.pauseMs(), day)
    at = day
    assert.equal(allowance.pauseMs(), 0)
  })
})

describe('a provider that fails', () => {
  test('five times in a row is left alone, tried once after a pause, and asked again when it answers', async (t) => {
    const { stage, double, providers } = await open(t)
    const state = () => providers.sources()[0]?.details.breaker
    double.does(answering(500, page))
    for (let n = 1; n <= 4; n++) await fails(providers, n)
    assert.equal(state(), 'closed')
    await fails(providers, 5)
    assert.equal(state(), 'open')
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'service_unreachable', /for 10s/)
    assert.equal(double.asked.length, 5)
    assert.equal(providers.sources()[0]?.state, 'silent')

    stage.pass(10_000)
    assert.equal(state(), 'half-open')
    await fails(providers, 6)
    assert.equal(double.asked.length, 6)
    stage.pass(19_000)
    assert.equal(state(), 'open', 'the pause has doubled')
    stage.pass(1_000)
    double.does(asVendor())
    isAnswered(await askOne(providers, 'abuseipdb', attacker))
    assert.equal(state(), 'closed')
    const said = stage.logged.join('')
    assert.match(said, /left alone/)
    assert.match(said, /answers again/)
  })

  test('now and then is asked on: only failures in a row count', async (t) => {
    const { double, providers } = await open(t)
    for (let n = 1; n <= 20; n++) {
      double.does(n % 5 === 0 ? asVendor() : answering(500, page))
      await askOne(providers, 'abuseipdb', `203.0.113.${n}`)
    }
    assert.equal(double.asked.length, 20)
  })

  test('is tried with one question only, however many want to ask', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(answering(500, page))
    for (let n = 1; n <= 5; n++) await fails(providers, n)
    stage.pass(10_000)
    const gate = held(asVendor())
    double.does(gate.behaviour)
    const asking = [11, 12, 13].map((n) => askOne(providers, 'abuseipdb', `203.0.113.${n}`))
    gate.open()
    const answers = await Promise.all(asking)
    assert.deepEqual(
      answers.map((answer) => answer.state),
      ['answered', 'silent', 'silent'],
    )
    assert.equal(double.asked.length, 6)
  })

  test('is left alone for ten minutes at most', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(answering(500, page))
    for (let n = 1; n <= 5; n++) await fails(providers, n)
    for (let tries = 0; tries < 12; tries++) {
      stage.pass(10 * minute)
      await fails(providers, 100 + tries)
    }
    assert.equal(double.asked.length, 5 + 12)
  })

  test('because it refuses the key is not asked on with it', async (t) => {
    const { stage, double, providers } = await open(t)
    double.does(answering(401, { errors: [] }))
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'unauthenticated')
    const next = await askOne(providers, 'abuseipdb', '203.0.113.8')
    isSilent(next, 'unauthenticated', /left alone for 10m/)
    assert.equal(double.asked.length, 1)
    stage.pass(10 * minute)
    double.does(asVendor())
    isAnswered(await askOne(providers, 'abuseipdb', attacker))
  })

  for (const [what, code, behaviour] of [
    [
      'refuses addresses',
      'unsupported',
      answering(422, { errors: [{ detail: 'no address', status: 422 }] }),
    ],
    ['says wait', 'rate_limited', answering(429, spent, { 'retry-after': '1' })],
  ] as const)
    test(`is another one than one that ${what}: that is asked on`, async (t) => {
      const { stage, double, providers } = await open(t)
      double.does(behaviour)
      for (let n = 1; n <= 10; n++) {
        isSilent(await askOne(providers, 'abuseipdb', attacker), code)
        stage.pass(1_000)
      }
      assert.equal(double.asked.length, 10)
      assert.equal(providers.sources()[0]?.details.breaker, 'closed')
    })

  test('does not make another silent', async (t) => {
    const stage = await openStage(t)
    const bad = await openDouble(t)
    const good = await openDouble(t)
    bad.does(answering(500, page))
    const providers = stage.start({
      abuseipdb: await lookupOf('abuseipdb', bad.url),
      greynoise: await lookupOf('greynoise', good.url),
    })
    for (let n = 1; n <= 10; n++) {
      const names = ['abuseipdb', 'greynoise']
      const answers = await providers.ask(readAddress(`203.0.113.${n}`), names, 5_000)
      isSilent(answers.get('abuseipdb'), 'service_unreachable')
      isAnswered(answers.get('greynoise'))
    }
    assert.equal(bad.asked.length, 5)
  })
})

test('an attack by hundreds at once puts a bounded number of questions on the way', async (t) => {
  const { double, providers } = await open(t)
  const gate = held(asVendor())
  double.does(gate.behaviour)
  const asking = Array.from({ length: 200 }, (_, n) =>
    askOne(providers, 'abuseipdb', `203.0.113.${n}`),
  )
  gate.open()
  const answers = await Promise.all(asking)
  assert.equal(answers.filter(({ state }) => state === 'answered').length, 32)
  isSilent(answers[199], 'overloaded')
  assert.equal(double.asked.length, 32)
  isAnswered(await askOne(providers, 'abuseipdb', '203.0.113.199'))
})

test('whatever a provider does, each name gets an answer and nothing is thrown', async (t) => {
  const stage = await openStage(t)
  const double = await openDouble(t)
  const lookups: Record<string, Lookup> = {}
  for (const name of ['abuseipdb', 'virustotal', 'greynoise'])
    lookups[name] = await lookupOf(name, double.url, { timeout: '20ms' })
  const providers = stage.start(lookups)
  const names = Object.keys(lookups)
  const behaviours: Behaviour[] = [
    asVendor(),
    asVendor(0, { 'x-ratelimit-remaining': '0' }),
    answering(200, page),
    answering(204, ''),
    answering(404, {}),
    answering(429, spent),
    answering(429, spent, { 'retry-after': '5' }),
    answering(500, page),
    (_, response) => void response.destroy(),
    (_, response) => void response.socket?.end('HTTP/1.1 999 what\r\n\r\n'),
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(behaviours.length - 1), fc.nat(9), fc.nat(2 * hour)), {
        maxLength: 8,
      }),
      async (steps) => {
        for (const [which, host, gap] of steps) {
          double.does(behaviours[which] ?? never)
          stage.pass(gap)
          const answers = await providers.ask(readAddress(`203.0.113.${host}`), names, 5_000)
          assert.deepEqual([...answers.keys()], names)
          for (const answer of answers.values())
            if (answer.state === 'silent') assert.ok(answer.problem.detail.length > 0)
        }
      },
    ),
    { numRuns: 30 },
  )
})

async function open(
  t: Parameters<typeof openStage>[0],
  name = 'abuseipdb',
  settings: Record<string, unknown> = {},
) {
  const stage = await openStage(t)
  const double = await openDouble(t)
  const providers = stage.start({ [name]: await lookupOf(name, double.url, settings) })
  return { stage, double, providers }
}

async function fails(providers: Providers, host: number): Promise<void> {
  const answer = await askOne(providers, 'abuseipdb', `203.0.113.${host}`)
  isSilent(answer, 'service_unreachable', /status 500/)
}

async function everyMinute(stage: Stage, providers: Providers, name: string, minutes: number) {
  for (let n = 0; n < minutes; n++) {
    isSilent(await askOne(providers, name, attacker), 'rate_limited')
    stage.pass(minute)
  }
}
