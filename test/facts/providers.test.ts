/** Asking providers of intelligence: remembered, asked once, within a budget, and never about what is ours. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import type { Lookup } from '#contract/connector.ts'
import { openMemory } from '../../actions/facts/providers/memory.ts'
import { askedSince, putAnswer, readAnswer } from '../../actions/store/intelligence.ts'
import { answering, asVendor, held, key, never, openDouble } from './provider-doubles.ts'
import { askOne, day, hour, isAnswered, isSilent, lookupOf, openStage } from './providers-stage.ts'

const attacker = '203.0.113.7'

describe('an answer of a provider', () => {
  test('is given with what every vendor says in its own shape', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const names = ['abuseipdb', 'virustotal', 'greynoise']
    const lookups = await Promise.all(names.map((name) => lookupOf(name, url)))
    const providers = stage.start(
      Object.fromEntries(names.map((name, i) => [name, lookups[i] as Lookup])),
    )
    const answers = await providers.ask(readAddress(attacker), names, 5_000)
    for (const name of names) {
      const answer = answers.get(name)
      isAnswered(answer, { cached: false, stale: false, ageMs: 0 })
      assert.ok(answer?.state === 'answered')
      assert.equal(answer.intelligence.verdict, 'malicious')
      assert.equal(answer.intelligence.provider, name)
    }
    assert.equal(asked.length, 3)
  })

  test('is remembered, and its age is shown', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', url, { keep: '6h' }) })
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { cached: false })
    stage.pass(5 * hour)
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { cached: true, ageMs: 5 * hour })
    assert.equal(asked.length, 1)
    assert.equal(providers.sources()[0]?.age, 5 * hour)
    stage.pass(hour)
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { cached: false, ageMs: 0 })
    assert.equal(asked.length, 2)
  })

  test('is remembered over a restart', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const lookup = await lookupOf('abuseipdb', url)
    const before = stage.start({ abuseipdb: lookup })
    await askOne(before, 'abuseipdb', attacker)
    await before.close()
    stage.pass(hour)
    const after = stage.start({ abuseipdb: lookup })
    isAnswered(await askOne(after, 'abuseipdb', attacker), { cached: true, ageMs: hour })
    assert.equal(asked.length, 1)
  })

  test('is asked for once when two want it at the same time', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    const gate = held(asVendor())
    double.does(gate.behaviour)
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', double.url) })
    const asking = [1, 2, 3].map(() => askOne(providers, 'abuseipdb', attacker))
    gate.open()
    for (const answer of await Promise.all(asking)) isAnswered(answer, { score: 100 })
    assert.equal(double.asked.length, 1)
  })

  test('that comes too late for one alert is there for the next', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    const gate = held(asVendor(80))
    double.does(gate.behaviour)
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', double.url) })
    const first = await askOne(providers, 'abuseipdb', attacker, 30)
    isSilent(first, 'service_unreachable', /has not answered within 30ms/)
    const second = askOne(providers, 'abuseipdb', attacker)
    gate.open()
    isAnswered(await second, { score: 80 })
    isAnswered(await askOne(providers, 'abuseipdb', attacker, 0), { cached: true })
    assert.equal(double.asked.length, 1)
  })

  test('that is out of date is not taken for fresh, but is better than none while nobody answers', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    const lookup = await lookupOf('abuseipdb', double.url, { keep: '6h' })
    const before = stage.start({ abuseipdb: lookup })
    await askOne(before, 'abuseipdb', attacker)
    await before.close()
    double.does(answering(500, 'down'))
    const providers = stage.start({ abuseipdb: lookup })
    stage.pass(7 * hour)
    const stale = { cached: true, stale: true, ageMs: 7 * hour }
    isAnswered(await askOne(providers, 'abuseipdb', attacker), stale)
    assert.equal(double.asked.length, 2, 'it was asked again first')
    stage.pass(17 * hour)
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { stale: true, ageMs: day })
    stage.pass(1)
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'service_unreachable')
    double.does(asVendor(40))
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { stale: false, score: 40 })
  })

  test('that is out of date is given within the budget when the provider never answers', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    const providers = stage.start({
      abuseipdb: await lookupOf('abuseipdb', double.url, { keep: '6h' }),
    })
    await askOne(providers, 'abuseipdb', attacker)
    double.does(never)
    stage.pass(7 * hour)
    isAnswered(await askOne(providers, 'abuseipdb', attacker, 20), { stale: true })
  })

  test('that is known is there although another provider never answers', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    const providers = stage.start({
      abuseipdb: await lookupOf('abuseipdb', double.url),
      greynoise: await lookupOf('greynoise', double.url),
    })
    await askOne(providers, 'abuseipdb', attacker)
    double.does(never)
    const names = ['abuseipdb', 'greynoise']
    const answers = await providers.ask(readAddress(attacker), names, 20)
    isAnswered(answers.get('abuseipdb'), { cached: true })
    isSilent(answers.get('greynoise'), 'service_unreachable')
  })

  test('stays in the store when memory has no room for it', async (t) => {
    const { store } = await openStage(t)
    const memory = openMemory('abuseipdb', store, { keepMs: day, rememberMs: 0 }, () => 0)
    const kept = Array.from({ length: 5_001 }, (_, n) => ({
      intelligence: { ...readAs('abuseipdb'), address: `203.0.${n >> 8}.${n & 255}` },
      asked: 0,
    }))
    await Promise.all(kept.map(memory.keep))
    assert.equal(memory.size(), 5_000)
    assert.equal(memory.recall('203.0.0.0'), undefined)
    assert.deepEqual(await memory.find('203.0.0.0'), kept[0])
  })

  test('that is dated in the future, by a clock that was wrong, is not believed', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const lookup = await lookupOf('abuseipdb', url)
    stage.clock.now += 365 * day
    await askOne(stage.start({ abuseipdb: lookup }), 'abuseipdb', attacker)
    stage.clock.now -= 365 * day
    const again = stage.start({ abuseipdb: lookup })
    isAnswered(await askOne(again, 'abuseipdb', attacker), { cached: false, ageMs: 0 })
    assert.equal(asked.length, 2)
  })

  test('that the store cannot read is asked for again', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    await stage.store.write((tx) =>
      tx
        .insertInto('intelligence')
        .values({ provider: 'abuseipdb', address: attacker, asked: stage.clock.now, answer: '{"a' })
        .execute(),
    )
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', url) })
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { cached: false })
    assert.equal(asked.length, 1)
    await providers.close()
    assert.equal(
      (await readAnswer(stage.store.read, 'abuseipdb', attacker))?.intelligence.score,
      100,
    )
  })

  test('is forgotten in the store when it is of no use any more, also for counting', async (t) => {
    const stage = await openStage(t)
    const { url } = await openDouble(t)
    const lookup = await lookupOf('abuseipdb', url, { keep: '1h' })
    const first = stage.start({ abuseipdb: lookup })
    await askOne(first, 'abuseipdb', attacker)
    await first.close()
    const count = async () => (await askedSince(stage.store.read, 'abuseipdb', 0, 100)).length
    stage.pass(23 * hour)
    const second = stage.start({ abuseipdb: lookup })
    await askOne(second, 'abuseipdb', '203.0.113.8')
    await second.close()
    assert.equal(await count(), 2, 'what was asked within a day counts')
    stage.pass(2 * hour)
    const third = stage.start({ abuseipdb: lookup })
    await askOne(third, 'abuseipdb', '203.0.113.9')
    await third.close()
    assert.equal(await count(), 2)
  })
})

describe('nobody outside is told of', () => {
  for (const [what, address] of [
    ['a private address', '10.1.2.3'],
    ['a carrier-grade NAT address', '100.64.0.9'],
    ['a unique local address', 'fd00::7'],
    ['loopback', '127.0.0.1'],
    ['IPv6 loopback', '::1'],
    ['a link-local address', 'fe80::1'],
    ['a multicast address', '224.0.0.1'],
    ['a network', '203.0.113.0/24'],
    ['an IPv6 network', '2001:db8::/64'],
  ] as const)
    test(what, async (t) => {
      const stage = await openStage(t)
      const { url, asked } = await openDouble(t)
      const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', url) })
      isSilent(await askOne(providers, 'abuseipdb', address), 'unsupported')
      assert.deepEqual(asked, [])
    })

  test('an IPv6 host that the provider does not know', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const providers = stage.start({
      greynoise: await lookupOf('greynoise', url),
      abuseipdb: await lookupOf('abuseipdb', url),
    })
    isSilent(await askOne(providers, 'greynoise', '2001:db8::7'), 'unsupported')
    isAnswered(await askOne(providers, 'abuseipdb', '2001:db8::7'))
    assert.equal(asked.length, 1)
  })
})

describe('a provider', () => {
  test('without a key is silent, says how to give one, and is never asked', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const providers = stage.start({
      abuseipdb: await lookupOf('abuseipdb', url, { api_key: undefined }),
    })
    const [source] = providers.sources()
    assert.equal(source?.state, 'silent')
    assert.match(source?.problem?.remedy ?? '', /CORDON_ABUSEIPDB_API_KEY/)
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'setting_invalid')
    assert.deepEqual(asked, [])
  })

  test('that does not run here is silent by name, with the nearest that does', async (t) => {
    const stage = await openStage(t)
    const { url } = await openDouble(t)
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', url) })
    const answer = await askOne(providers, 'abuseipbd', attacker)
    isSilent(answer, 'not_found', /no provider abuseipbd/)
    assert.ok(answer.state === 'silent')
    assert.match(answer.problem.remedy ?? '', /did you mean abuseipdb/)
  })

  test('that is named twice is asked once, and nobody who is not named', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const providers = stage.start({
      abuseipdb: await lookupOf('abuseipdb', url),
      virustotal: await lookupOf('virustotal', url),
    })
    const names = ['abuseipdb', 'abuseipdb']
    assert.equal((await providers.ask(readAddress(attacker), names, 5_000)).size, 1)
    assert.equal((await providers.ask(readAddress(attacker), [], 5_000)).size, 0)
    assert.equal(asked.length, 1)
  })

  test('whose connector is wrong is silent and harms nobody', async (t) => {
    const stage = await openStage(t)
    const { url } = await openDouble(t)
    const good = await lookupOf('abuseipdb', url)
    const fails = () => {
      throw new TypeError('cannot read properties of undefined')
    }
    const providers = stage.start({
      abuseipdb: good,
      throws: { ...good, read: fails },
      asks: { ...good, request: fails },
      counts: { ...good, quota: fails },
      invents: { ...good, read: () => ({ ...readAs('invents'), score: 7_000 }) },
      other: { ...good, read: () => readAs('abuseipdb') },
    })
    const names = ['abuseipdb', 'throws', 'asks', 'counts', 'invents', 'other']
    const answers = await providers.ask(readAddress(attacker), names, 5_000)
    for (const name of names.slice(1)) isSilent(answers.get(name), 'internal')
    isAnswered(answers.get('abuseipdb'))
    assert.equal(
      (await readAnswer(stage.store.read, 'abuseipdb', attacker))?.intelligence.score,
      100,
    )
  })

  test('is silent with the reason when the store cannot be read, and remembers without it', async (t) => {
    const stage = await openStage(t)
    const { url, asked } = await openDouble(t)
    const providers = stage.start({ abuseipdb: await lookupOf('abuseipdb', url) })
    isAnswered(await askOne(providers, 'abuseipdb', attacker))
    await stage.store.write((tx) => tx.schema.dropTable('intelligence').execute())
    isAnswered(await askOne(providers, 'abuseipdb', attacker), { cached: true })
    isSilent(await askOne(providers, 'abuseipdb', '203.0.113.8'), 'internal')
    assert.equal(asked.length, 1)
  })

  test('stops at once when the service does, whatever is on the way', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    double.does(never)
    const providers = stage.start({
      abuseipdb: await lookupOf('abuseipdb', double.url, { timeout: '1h' }),
    })
    const asking = askOne(providers, 'abuseipdb', attacker, 30)
    isSilent(await asking, 'service_unreachable')
    await providers.close()
    isSilent(await askOne(providers, 'abuseipdb', attacker), 'service_unreachable', /stops/)
  })

  test('tells its key to the vendor only: not to the log, a problem, a page’s address or the store', async (t) => {
    const stage = await openStage(t)
    const double = await openDouble(t)
    const names = ['abuseipdb', 'virustotal', 'greynoise']
    const said: unknown[] = []
    const behaviours = [asVendor(), answering(401, { message: key }), answering(500, key), never]
    for (const [n, behaviour] of behaviours.entries()) {
      double.does(behaviour)
      const lookups: Record<string, Lookup> = {}
      for (const name of names)
        lookups[name] = await lookupOf(name, double.url, {
          timeout: behaviour === never ? '20ms' : '1h',
        })
      const providers = stage.start(lookups)
      for (let i = 0; i < 6; i++) {
        const answers = await providers.ask(readAddress(`203.0.113.${n * 10 + i}`), names, 5_000)
        said.push([...answers])
      }
      said.push(providers.sources())
      await providers.close()
    }
    const rows = await stage.store.read.selectFrom('intelligence').selectAll().execute()
    const everything = JSON.stringify([said, stage.logged, double.asked, rows])
    assert.ok(stage.logged.length > 0)
    assert.ok(rows.length > 0)
    assert.ok(!everything.includes(key))
  })
})

test('an answer that was stored is read as it was', async (t) => {
  const { store } = await openStage(t)
  const kept = { intelligence: readAs('abuseipdb'), asked: 1_000 }
  await store.write((tx) => putAnswer(tx, kept))
  await store.write((tx) => putAnswer(tx, { ...kept, asked: 2_000 }))
  assert.deepEqual(await readAnswer(store.read, 'abuseipdb', attacker), { ...kept, asked: 2_000 })
  assert.equal(await readAnswer(store.read, 'virustotal', attacker), undefined)
})

function readAs(provider: string) {
  return {
    provider,
    address: attacker,
    verdict: 'suspicious' as const,
    score: 55,
    trusted: false,
    tags: ['tor'],
    summary: 'reported',
  }
}
