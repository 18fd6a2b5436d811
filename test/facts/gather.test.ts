/** Addresses that wait at the same time are asked about together, where the provider can be asked so. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Lookup } from '#contract/connector.ts'
import type { Intelligence } from '#contract/intelligence.ts'
import { Problem } from '#contract/problem.ts'
import { openGathering } from '../../actions/facts/providers/gather.ts'
import { askOne, isAnswered, isSilent, openStage } from './providers-stage.ts'

const address = (n: number) => `203.0.113.${n}`
const fifty = Array.from({ length: 50 }, (_, n) => address(n))

function said(of: string): Intelligence {
  return {
    provider: 'double',
    address: of,
    verdict: 'unknown',
    score: Number(of.split('.').at(-1)),
    trusted: false,
    tags: [],
    summary: '',
  }
}

type Answer = (addresses: readonly string[]) => readonly string[] | Promise<readonly string[]>

/** What was asked, question by question; `answer` says of whom the answer speaks. */
function provider(answer: Answer = (addresses) => addresses) {
  const asked: string[][] = []
  const request = (addresses: readonly string[]) => ({
    url: 'https://double.example/',
    headers: {},
    method: 'POST' as const,
    body: JSON.stringify(addresses),
  })
  const lookup: Lookup = {
    request: (one) => (one === address(99) ? undefined : request([one])),
    read: () => assert.fail('only many are asked for'),
    many: {
      most: () => 50,
      request,
      read: ({ body }) => new Map((JSON.parse(body) as string[]).map((one) => [one, said(one)])),
    },
    fetch: async (_, { body }) => {
      const addresses: string[] = JSON.parse(body ?? '')
      asked.push(addresses)
      return new Response(JSON.stringify(await answer(addresses)))
    },
    quota: () => undefined,
    limits: [],
    keepMs: 60_000,
    waitMs: 5_000,
  }
  return { asked, lookup }
}

describe('many addresses that wait at the same time', () => {
  test('are two questions: the first at once, and one for all that came meanwhile', async (t) => {
    const stage = await openStage(t)
    const { asked, lookup } = provider()
    const providers = stage.start({ double: lookup })
    const answers = await Promise.all(fifty.map((one) => askOne(providers, 'double', one)))
    for (const [n, answer] of answers.entries()) isAnswered(answer, { score: n })
    assert.deepEqual(
      asked.map(({ length }) => length),
      [1, 49],
    )
  })

  test('are not spoiled by one that cannot be asked about', async (t) => {
    const stage = await openStage(t)
    const { asked, lookup } = provider()
    const providers = stage.start({ double: lookup })
    const bad = askOne(providers, 'double', address(99))
    const answers = await Promise.all(fifty.map((one) => askOne(providers, 'double', one)))
    isSilent(await bad, 'unsupported')
    for (const answer of answers) isAnswered(answer)
    assert.equal(asked.length, 2)
  })

  test('of whom one makes the whole question be refused are asked about in halves until it is alone', async (t) => {
    const stage = await openStage(t)
    const bad = address(7)
    const { asked, lookup } = provider()
    const { many } = lookup
    assert.ok(many)
    const read: typeof many.read = (answer, addresses) => {
      if (addresses.includes(bad)) throw new Problem('invalid_input', 'no such value')
      return many.read(answer, addresses)
    }
    const providers = stage.start({ double: { ...lookup, many: { ...many, read } } })
    const four = [address(1), address(2), bad, address(3)]
    const [first, second, refused, last] = await Promise.all(
      four.map((one) => askOne(providers, 'double', one)),
    )
    for (const answer of [first, second, last]) isAnswered(answer)
    isSilent(refused, 'invalid_input')
    assert.deepEqual(asked, [
      [address(1)],
      [address(2), bad, address(3)],
      [address(2), bad],
      [address(2)],
      [bad],
      [address(3)],
    ])
  })

  test('are silent together when the provider is, and asked about again when it answers', async (t) => {
    const stage = await openStage(t)
    let away = true
    const { lookup } = provider((addresses) => {
      if (away) throw new Error('away')
      return addresses
    })
    const providers = stage.start({ double: lookup })
    const answers = await Promise.all(fifty.map((one) => askOne(providers, 'double', one)))
    for (const answer of answers) isSilent(answer, 'service_unreachable')
    away = false
    isAnswered(await askOne(providers, 'double', address(1)))
  })

  test('are not more than may wait', async () => {
    const never = new Promise<never>(() => {})
    const silent = () => new Problem('invalid_input', 'silent')
    const gather = openGathering({ most: () => 2, mostWaiting: 3, ask: () => never, silent })
    const asking = fifty.slice(0, 4).map(gather)
    assert.throws(() => gather(address(5)), { code: 'overloaded' })
    assert.equal(asking.length, 4)
  })
})

test('whatever an answer leaves out, everybody hears of himself or that nothing was said of him', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(200), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 10 }),
      fc.array(fc.boolean(), { minLength: 400, maxLength: 400 }),
      async (hosts, most, tells) => {
        let coin = 0
        const gather = openGathering({
          most: () => most,
          mostWaiting: 100,
          silent: (one) => new Problem('invalid_input', one),
          ask: async (addresses) => {
            assert.ok(addresses.length >= 1 && addresses.length <= most)
            return new Map(
              addresses.filter(() => tells[coin++ % 400]).map((one) => [one, said(one)]),
            )
          },
        })
        for (const outcome of await Promise.allSettled(
          hosts.map(async (n) => ({ n, heard: await gather(address(n)) })),
        ))
          if (outcome.status === 'fulfilled')
            assert.equal(outcome.value.heard.address, address(outcome.value.n))
          else assert.equal(outcome.reason.code, 'invalid_input')
      },
    ),
    { numRuns: 200 },
  )
})
