/** The small texts of the contract: lengths of time, times, ids, cursors, what is shown. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DecisionId } from '#contract/action.ts'
import { Audience, audiencesOf, NodeName, printCursor, readCursor } from '#contract/audience.ts'
import { printDuration, readDuration } from '#contract/duration.ts'
import {
  type EnrolmentToken,
  printEnrolmentToken,
  readEnrolmentToken,
} from '#contract/enrolment.ts'
import { base32 } from '#contract/id.ts'
import { printable } from '#contract/printable.ts'
import { nearest, Problem, problemStatus, toProblem } from '#contract/problem.ts'
import { printTime, readTime, TimeText } from '#contract/time.ts'

describe('a length of time', () => {
  test('is read as people write it', () => {
    for (const [text, ms] of [
      ['90s', 90_000],
      ['15m', 900_000],
      ['4h', 14_400_000],
      ['7d', 604_800_000],
      ['2w', 1_209_600_000],
      ['1d12h', 129_600_000],
      ['1.5h', 5_400_000],
      ['250ms', 250],
    ] as const)
      assert.equal(readDuration(text), ms)
  })

  test('is refused without a unit, with an unknown one, or when it is longer than a thousand years', () => {
    for (const text of [
      '',
      '90',
      's',
      '-5m',
      '5 m',
      '1y',
      '4h!',
      '1e3s',
      '9999999999d',
      `${'9'.repeat(400)}w`,
    ])
      assert.throws(() => readDuration(text), { code: 'invalid_input' }, text)
  })

  test('that is printed and read again lost less than its second largest unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3e10 }), (ms) => {
        const again = readDuration(printDuration(ms).replaceAll(' ', ''))
        assert.ok(Math.abs(again - ms) <= Math.max(500, ms / 7), `${ms} ${printDuration(ms)}`)
      }),
    )
  })
})

describe('a time', () => {
  test('is read with any zone and printed in UTC', () => {
    for (const text of [
      '2026-03-01T04:02:03.456+01:00',
      '2026-03-01T04:02:03.456+0100',
      '2026-03-01T03:02:03.456Z',
      '2026-03-01t03:02:03.456z',
    ])
      assert.equal(printTime(readTime(text) ?? 0), '2026-03-01T03:02:03.456Z')
  })

  test('in a record is one that there is', () => {
    assert.ok(TimeText.safeParse('2026-03-01T03:02:03.456Z').success)
    for (const text of [
      '2026-03-01T03:02:03Z',
      '2026-99-01T00:00:00.000Z',
      '2026-03-01T25:00:00.000Z',
    ])
      assert.equal(TimeText.safeParse(text).success, false, text)
  })

  test('without a zone, or that is none, is no time', () => {
    for (const text of [
      '2026-03-01T03:02:03',
      '2026-03-01',
      'yesterday',
      '2026-13-01T00:00:00Z',
      '1772326923',
      '',
    ])
      assert.equal(readTime(text), undefined, text)
  })
})

describe('a place in the streams', () => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?$/)
  const audience = fc.oneof(
    fc.constant('all'),
    name.map((group) => `group/${group}`),
    name.map((node) => `node/${node}`),
  )
  const position = fc.record(
    {
      epoch: fc.integer({ min: 1, max: 1e9 }),
      seq: fc.nat(),
      hash: fc.stringMatching(/^[\w-]{0,43}$/),
    },
    { noNullPrototype: true },
  )

  test('that is printed and read again is the same', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(audience, position), { maxLength: 8 }), (entries) => {
        const cursor = new Map(entries)
        assert.deepEqual(readCursor(printCursor(cursor)), cursor)
      }),
    )
  })

  test('that is none is refused', () => {
    for (const text of [
      'all',
      'all:1',
      'all:x:1:h',
      'everybody:1:1:h',
      'all:1:-1:h',
      ',',
      'all:1:1:h,',
      'all:1.5:1:h',
    ])
      assert.throws(() => readCursor(text), { code: 'invalid_input' }, text)
  })

  test('names whom a node follows: all, its groups in order, itself', () => {
    assert.deepEqual(audiencesOf('web-01', ['web', 'db']), [
      'all',
      'group/db',
      'group/web',
      'node/web-01',
    ])
    for (const wrong of [
      'All',
      'web',
      'group/',
      'node/a/b',
      'node/-a',
      'group/a-',
      'all,all',
      'node/a:b',
    ])
      assert.equal(Audience.safeParse(wrong).success, false, wrong)
    assert.equal(NodeName.safeParse('a'.repeat(65)).success, false)
  })
})

describe('text that an attacker may have chosen', () => {
  test('is shown without control or direction characters, and no longer than the limit', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.integer({ min: 1, max: 300 }),
        (text, limit) => {
          const shown = printable(text, limit)
          assert.ok(shown.length <= limit)
          assert.doesNotMatch(shown, /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u)
        },
      ),
    )
    assert.equal(printable('a\u001b[2Jb\u202ec'), 'a\\u{1b}[2Jb\\u{202e}c')
  })
})

describe('an enrolment token', () => {
  const token: EnrolmentToken = {
    url: 'https://192.0.2.10:8055',
    issuer: 'cordon-test',
    key: 'k'.repeat(43),
    tls: 'f'.repeat(64),
    secret: 's'.repeat(40),
    exp: 1_772_326_923,
  }

  test('that is printed and read again is the same', () => {
    assert.deepEqual(readEnrolmentToken(printEnrolmentToken(token)), token)
  })

  test('that is cut, changed or something else is refused with what to do', () => {
    const text = printEnrolmentToken(token)
    const more = printEnrolmentToken({ ...token, admin: true } as EnrolmentToken)
    for (const wrong of [
      '',
      text.slice(0, -20),
      text.slice(1),
      `x${text}`,
      text.replace('enrol_', ''),
      more,
    ])
      assert.throws(
        () => readEnrolmentToken(wrong),
        (error) =>
          error instanceof Problem && error.code === 'invalid_input' && error.remedy !== undefined,
      )
  })
})

describe('a decision id', () => {
  test('of ten bytes has sixteen characters without i, l, o and u', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 10, maxLength: 10 }), (bytes) => {
        assert.match(base32(bytes), /^[0-9a-hjkmnp-tv-z]{16}$/)
        assert.ok(DecisionId.safeParse(`d-${base32(bytes)}`).success)
      }),
    )
  })
})

describe('a problem', () => {
  test('answers with its code, status, detail, remedy and cause, and never with success', () => {
    const problem = new Problem('too_wide', 'it is wide', {
      remedy: 'narrow it',
      cause: new Error('deep'),
    })
    assert.deepEqual(JSON.parse(JSON.stringify(problem)), {
      type: 'urn:cordon:problem:too_wide',
      title: 'too wide',
      status: 422,
      detail: 'it is wide',
      code: 'too_wide',
      remedy: 'narrow it',
      cause: 'deep',
      success: false,
    })
    assert.ok(Object.values(problemStatus).every((status) => status >= 400 && status < 600))
  })

  test('of a stranger is internal, and keeps what it was', () => {
    const cause = new RangeError('out of range')
    assert.deepEqual([toProblem(cause).code, toProblem(cause).cause], ['internal', cause])
    const problem = new Problem('conflict', 'x')
    assert.equal(toProblem(problem), problem)
  })

  test('names the nearest known word, nothing for what is far, and takes no time over long text', () => {
    assert.equal(nearest('reson', ['reason', 'target']), 'reason')
    assert.equal(nearest('zzzzzz', ['reason', 'target']), undefined)
    assert.equal(nearest('reason'.repeat(1_000_000), ['reason']), undefined)
  })
})
