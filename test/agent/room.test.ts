/** What all audiences of a node claim together never asks more of its kernel than the sets hold. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Answer } from '../../agent/differences.ts'
import type { Claim } from '../../agent/wished.ts'
import { acceptingNode } from './accepting.ts'
import { block, decision, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-room-'))
after(() => rmSync(folder, { recursive: true }))
const here = (most?: number) => acceptingNode(folder, most)

describe('the ceiling of blocks in force', () => {
  test('a whole state gets what the other audiences leave, and each of the rest is refused with the reason', () => {
    const node = here(5)
    node.load('group/web', hosts('group/web', 1, 3))
    node.load('all', hosts('all', 11, 4))
    assert.equal(node.wished.size, 5)
    const refused = node.answered('refused')
    assert.deepEqual(refused.map(named), [`all ${decision(13)}`, `all ${decision(14)}`])
    assert.match(
      `${refused[0]?.code} ${refused[0]?.detail}`,
      /ceiling_reached 5 decisions are in force/,
    )
    assert.equal(node.answered('applied').length, 5)
    assert.deepEqual(ids(node.onDisk()), ids([...node.wished.claims()]))
  })

  test('what a whole state has no room for is on the disk as refused with its position, should the agent die then', () => {
    const node = here(2)
    let found: readonly Answer[] | undefined
    node.load('all', hosts('all', 11, 3), () => {
      found ??= node.refusedOnDisk()
    })
    assert.deepEqual(found?.map(named), [`all ${decision(13)}`])
  })

  test('a step that comes while a whole state is taken gets what the state leaves', () => {
    const node = here(5)
    let came = false
    node.load('all', hosts('all', 11, 4), () => {
      if (!came) node.step('node/web-01', [block(1), block(2)])
      came = true
    })
    assert.equal(node.wished.size, 5)
    assert.deepEqual(node.answered('refused').map(named), [`node/web-01 ${decision(2)}`])
  })

  test('where not all of a state fits, what is in force already stays', () => {
    const node = here(3)
    node.load('all', hosts('all', 12, 3))
    node.load('all', hosts('all', 11, 4))
    assert.deepEqual(ids([...node.wished.claims()]), [12, 13, 14].map(decision))
    assert.deepEqual(node.answered('refused').map(named), [`all ${decision(11)}`])
  })

  test('what a state no longer holds leaves its room at once to what comes meanwhile', () => {
    const node = here(3)
    node.load('all', hosts('all', 11, 3))
    let came = false
    node.load('all', hosts('all', 11, 1), () => {
      if (!came) node.step('node/web-01', [block(1), block(2)])
      came = true
    })
    assert.deepEqual(ids([...node.wished.claims()]), [1, 2, 11].map(decision))
  })

  test('a block that was in force and no longer fits ends as refused, not as ended', () => {
    const node = here(2)
    node.load('all', hosts('all', 11, 2))
    node.load('group/web', hosts('group/web', 1, 1))
    assert.deepEqual(node.answered('refused').map(named), [`group/web ${decision(1)}`])
    assert.deepEqual(node.answered('ended'), [])
  })

  test('whatever comes in whatever order, no more is in force than may be, and the disk says the same', () => {
    const audience = fc.constantFrom('all', 'group/web', 'node/web-01')
    const numbers = fc.uniqueArray(fc.nat(12), { maxLength: 8 })
    const event = fc.record({ audience, numbers, meanwhile: fc.tuple(audience, numbers) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 6 }), (events) => {
        const node = here(10)
        for (const { audience, numbers, meanwhile } of events) {
          const [other, blocks] = meanwhile
          let came = other === audience
          node.load(
            audience,
            numbers.flatMap((n) => hosts(audience, n, 1)),
            () => {
              if (!came)
                node.step(
                  other,
                  blocks.map((n) => block(n)),
                )
              came = true
            },
          )
          assert.ok(node.wished.size <= 10, `${node.wished.size} are in force`)
          assert.equal(node.wished.committed, node.wished.size)
        }
        assert.deepEqual(ids(node.onDisk()), ids([...node.wished.claims()]))
      }),
      { numRuns: 60 },
    )
  })
})

describe('the interval set of rare networks', () => {
  test('is shared by the audiences: a whole state gets what the others leave of it', () => {
    const node = here()
    node.load('group/web', rare('group/web', 0, 9_998))
    node.load('all', [...rare('all', 20_000, 5), ...hosts('all', 1, 3)])
    assert.equal(node.wished.countElements(), 10_003)
    const refused = node.answered('refused')
    assert.equal(refused.length, 3)
    assert.match(`${refused[0]?.code} ${refused[0]?.detail}`, /ceiling_reached .*rare lengths/)
    assert.equal(node.onDisk().length, 10_003)
    node.step('node/web-01', [block(1, { target: '203.0.113.0/25' }), block(2)])
    assert.deepEqual(node.answered('refused').map(named).at(-1), `node/web-01 ${decision(1)}`)
    assert.ok(node.wished.get('node/web-01', decision(2)))
  })

  test('has room for a new state as large as the old one that it takes the place of', () => {
    const node = here()
    node.load('all', rare('all', 0, 10_000))
    node.load('all', rare('all', 10_000, 10_000))
    assert.equal(node.wished.countElements(), 10_000)
    assert.deepEqual(node.answered('refused'), [])
  })

  test('is counted with the pieces that networks inside one another need', () => {
    const node = here()
    node.load('group/web', rare('group/web', 0, 9_995))
    node.step('all', [
      block(1, { target: '203.0.112.0/22' }),
      block(2, { target: '203.0.112.0/25', not_after: today + 900_000 }),
      block(3, { target: '203.0.113.0/25', not_after: today + 900_000 }),
    ])
    assert.deepEqual(node.answered('refused').map(named), [`all ${decision(3)}`])
    assert.equal(node.wished.countElements(), 9_999)
  })

  test('that an older version filled with more is cut to what it holds, and the rest is enforced', () => {
    const node = here()
    node.remember([...rare('all', 0, 10_002), ...hosts('all', 20_000, 3)])
    assert.equal(node.wished.countElements(), 10_003)
    assert.equal(node.answered('refused').length, 2)
  })

  test('is not asked for the one family or direction because the other is full', () => {
    const node = here()
    node.load('all', rare('all', 0, 10_000))
    node.step('node/web-01', [
      block(1, { target: '203.0.113.0/25', direction: 'out' }),
      block(2, { target: '2001:db8::/56' }),
    ])
    assert.deepEqual(node.answered('refused'), [])
  })
})

function hosts(audience: string, from: number, count: number): Claim[] {
  return numbers(from, count).map((n) => claim(audience, n, `203.0.113.${n % 256}`))
}

/** /30s side by side. */
function rare(audience: string, from: number, count: number): Claim[] {
  return numbers(from, count).map((n) =>
    claim(audience, n, `198.${18 + (n >> 14)}.${(n >> 6) & 255}.${(n & 63) * 4}/30`),
  )
}

function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => from + n)
}

function claim(audience: string, n: number, target: string): Claim {
  return { audience, decision: decision(n), target, direction: 'in', end: today + 600_000 }
}

function ids(claims: readonly Claim[]): string[] {
  return claims.map((one) => one.decision).sort()
}

function named({ audience, decision }: Answer): string {
  return `${audience} ${decision}`
}
