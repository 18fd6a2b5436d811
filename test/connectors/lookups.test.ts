/**
 * What every provider of intelligence promises, for each folder of connectors/ that offers `lookup`: a new one is tested by
 * being there. `sample/x.in.json` is an HTTP answer and the address that was asked for, `x.out.json` what it says.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { HttpAnswer, Lookup } from '#contract/connector.ts'
import { Intelligence } from '#contract/intelligence.ts'
import { Problem } from '#contract/problem.ts'
import { folder, load, names, now } from './samples.ts'

const apiKey = 'k3y-that-nobody-may-see'

const connectors = await Promise.all(names.map(load))
/** Vendors with a key of the account; a platform of one's own has tests of its own. */
const providers = connectors.filter(
  ({ lookup, settings }) => lookup && settings.safeParse({ api_key: apiKey }).success,
)

test('there are providers of intelligence to judge', () => {
  assert.deepEqual(
    ['abuseipdb', 'greynoise', 'virustotal'].filter((name) =>
      providers.some((connector) => connector.name === name),
    ),
    ['abuseipdb', 'greynoise', 'virustotal'],
  )
})

for (const { name, settings } of providers)
  describe(`the provider ${name}`, async () => {
    const open = await opener(name)
    const lookup = open({ api_key: apiKey })
    const samples = samplesOf(name)

    test('without a key says why it is never asked, and asks nobody', () => {
      const { unusable, request } = open({})
      assert.equal(unusable?.code, 'setting_invalid')
      assert.match(unusable?.remedy ?? '', new RegExp(`CORDON_${name.toUpperCase()}_API_KEY`))
      assert.equal(request('203.0.113.7'), undefined)
      assert.equal(lookup.unusable, undefined)
    })

    test('takes no key that a header cannot carry, and none to a place that others can read', () => {
      for (const wrong of ['', 'two words', 'end\n', 'sch\u00f6n'])
        assert.equal(settings.safeParse({ api_key: wrong }).success, false, wrong)
      for (const wrong of ['http://provider.example', 'ftp://127.0.0.1', 'https://u:p@x.example'])
        assert.equal(settings.safeParse({ base_url: wrong }).success, false, wrong)
      assert.equal(settings.safeParse({ base_url: 'http://127.0.0.1:8080/' }).success, true)
    })

    test('never writes an invalid key into what it says of it', () => {
      const read = settings.safeParse({ api_key: `${apiKey}\n` })
      assert.equal(read.success, false)
      assert.ok(!String(read.error?.message).includes(apiKey))
    })

    test('asks over HTTPS with the key in a header and not in the address of the page', () => {
      const request = lookup.request('203.0.113.7')
      assert.ok(request)
      assert.equal(new URL(request.url).protocol, 'https:')
      assert.ok(!request.url.includes(apiKey))
      assert.ok(Object.values(request.headers).includes(apiKey))
      assert.ok(request.url.includes('203.0.113.7'))
    })

    test('asks about an IPv6 host, or says that it cannot', () => {
      const request = lookup.request('2001:db8::7')
      if (request) assert.match(decodeURIComponent(request.url), /2001:db8::7/)
    })

    test('has a quota, and answers that stay good for a while', () => {
      assert.ok(lookup.limits.length > 0)
      for (const { requests, perMs } of lookup.limits) assert.ok(requests > 0 && perMs > 0)
      assert.ok(lookup.keepMs > 0 && lookup.waitMs > 0)
    })

    test('has samples of answers and of failures', () => {
      assert.ok(samples.some(({ expected }) => 'intelligence' in expected))
      assert.ok(samples.some(({ expected }) => 'problem' in expected))
    })

    for (const { stem, given, expected, more } of samples)
      test(`reads ${stem}.in.json as ${stem}.out.json says`, () => {
        const asked = open({ api_key: apiKey, ...more })
        assert.deepEqual(said(asked, given, given.address), expected)
      })

    test('takes nothing for an answer that is spoiled, empty, of another kind or about another address', () => {
      const good = samples.filter(({ expected }) => 'intelligence' in expected)
      for (const { given } of good) {
        const { body } = given
        const wrong = [
          '',
          'null',
          '{}',
          '[]',
          '0',
          '"clean"',
          body.slice(0, -2),
          `<html>${body}`,
          ...withoutEach(body),
        ]
        for (const spoiled of wrong) refusedWith(lookup, { ...given, body: spoiled }, given.address)
        refusedWith(lookup, given, '198.51.100.222')
      }
    })

    test('takes an answer for one only with a status that means one', () => {
      const good = samples.filter(({ expected }) => 'intelligence' in expected)
      for (const { given } of good)
        for (const status of [204, 206, 301, 302, 400, 401, 403, 407, 418, 422, 429, 500, 502, 503])
          refusedWith(lookup, { ...given, status }, given.address)
    })

    test('names the key in no problem, also when what is in between repeats it', () => {
      for (const status of [200, 301, 400, 401, 403, 404, 422, 429, 500])
        for (const body of [apiKey, `{"${apiKey}":1}`, `<p>${apiKey}</p>`]) {
          const problem = refusedWith(lookup, { status, headers: {}, body }, '203.0.113.7')
          assert.ok(!JSON.stringify(problem).includes(apiKey), JSON.stringify(problem))
        }
    })

    test('shows no control character of the vendor and keeps within what an answer may hold', () => {
      for (const { given, expected } of samples) {
        if (!('intelligence' in expected)) continue
        const loud = given.body.replaceAll('"Example', `"\\u001b[2J\\u202e${'x'.repeat(5_000)}`)
        const read = lookup.read({ ...given, body: loud }, given.address)
        assert.deepEqual(Intelligence.parse(read), read)
        assert.doesNotMatch(JSON.stringify(read), /\u202e|\\u001b/)
      }
    })

    test('believes no header that is none', () => {
      for (const text of ['', '-1', 'soon', '1e99', '99999999999999999999']) {
        const headers = { 'retry-after': text, 'x-ratelimit-reset': text }
        const quota = lookup.quota({ status: 429, headers, body: '' }, now)
        assert.ok(quota === undefined || quota.left === 0)
        assert.ok(quota === undefined || quota.until <= now + 86_400_000)
        const remaining = { 'x-ratelimit-remaining': text }
        assert.equal(lookup.quota({ status: 200, headers: remaining, body: '' }, now), undefined)
      }
    })
  })

const Sample = z.strictObject({
  address: z.string(),
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.unknown(),
})
const Quota = z.strictObject({ left: z.int(), until: z.int() }).optional()
const Expected = z.union([
  z.strictObject({ intelligence: Intelligence, quota: Quota }),
  z.strictObject({ problem: z.string(), quota: Quota }),
])

type Given = HttpAnswer & { address: string }

async function opener(name: string): Promise<(settings: object) => Lookup> {
  const connector = await load(name)
  return (settings) => {
    const lookup = connector.lookup?.(connector.settings.parse(settings))
    assert.ok(lookup)
    return lookup
  }
}

function samplesOf(name: string) {
  const at = new URL(`${name}/sample/`, folder)
  const json = (file: string): unknown => JSON.parse(readFileSync(new URL(file, at), 'utf8'))
  return readdirSync(at)
    .filter((file) => file.endsWith('.in.json'))
    .map((file) => {
      const stem = file.replace(/\.in\.json$/, '')
      const { body, ...rest } = Sample.parse(json(file))
      const given: Given = { ...rest, body: typeof body === 'string' ? body : JSON.stringify(body) }
      const settings = `${stem}.settings.json`
      const more = existsSync(new URL(settings, at)) ? z.looseObject({}).parse(json(settings)) : {}
      return { stem, given, expected: Expected.parse(json(`${stem}.out.json`)), more }
    })
}

function said(lookup: Lookup, answer: HttpAnswer, address: string) {
  const quota = lookup.quota(answer, now)
  const told = quota ? { quota } : {}
  try {
    return { intelligence: lookup.read(answer, address), ...told }
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return { problem: error.code, ...told }
  }
}

function refusedWith(lookup: Lookup, answer: HttpAnswer, address: string): Problem {
  try {
    const read = lookup.read(answer, address)
    assert.fail(`${JSON.stringify(answer)} was read as ${JSON.stringify(read)}`)
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return error
  }
}

/** The body without each of the fields that say who it is about. */
function withoutEach(body: string): string[] {
  return ['"ip"', '"ipAddress"', '"id"', '"data"', '"noise"']
    .filter((field) => body.includes(field))
    .map((field) => body.replaceAll(field, '"other"'))
}
