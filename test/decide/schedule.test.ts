/** Times of the week: across midnight, across the change of the clocks, in a named zone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readCondition } from '../../actions/decide/condition.ts'
import { isWithin, readSchedule } from '../../actions/decide/schedule.ts'

const berlin = 'Europe/Berlin'
const within = (text: string, zone: string, time: string) =>
  isWithin(readSchedule(text, zone), Date.parse(time))

describe('a time of the week', () => {
  for (const [text, time, expected] of [
    ['mon-fri 22:00-06:00', '2026-03-02T22:00:00+01:00', true],
    ['mon-fri 22:00-06:00', '2026-03-02T21:59:59+01:00', false],
    ['mon-fri 22:00-06:00', '2026-03-07T05:59:59+01:00', true],
    ['mon-fri 22:00-06:00', '2026-03-07T06:00:00+01:00', false],
    ['mon-fri 22:00-06:00', '2026-03-07T22:30:00+01:00', false],
    ['mon-fri 22:00-06:00', '2026-03-02T03:00:00+01:00', false],
    ['sat-mon', '2026-03-01T12:00:00+01:00', true],
    ['sat-mon', '2026-03-03T00:00:00+01:00', false],
    ['sat 00:00-24:00', '2026-03-07T23:59:59+01:00', true],
    ['08:00-12:00, 13:00-17:00', '2026-03-03T12:30:00+01:00', false],
    ['08:00-12:00, 13:00-17:00', '2026-03-03T13:00:00+01:00', true],
    ['sun', '2026-02-28T23:30:00Z', true],
  ] as const)
    test(`${text} ${expected ? 'holds' : 'does not hold'} at ${time}`, () => {
      assert.equal(within(text, berlin, time), expected)
    })

  test('keeps local time when the clocks go forward', () => {
    assert.equal(within('09:00-17:00', berlin, '2026-03-28T08:30:00Z'), true, 'winter: 09:30')
    assert.equal(within('09:00-17:00', berlin, '2026-03-29T07:30:00Z'), true, 'summer: 09:30')
    assert.equal(within('09:00-17:00', berlin, '2026-03-28T07:30:00Z'), false, 'winter: 08:30')
  })

  test('holds in both hours that the clock shows when it goes back, and skips none', () => {
    for (const time of ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'])
      assert.equal(within('sun 02:00-03:00', berlin, time), true, time)
    assert.equal(
      within('sun 02:00-03:00', berlin, '2026-03-29T01:00:00Z'),
      false,
      '03:00, after the gap',
    )
    assert.equal(
      within('sun 02:00-03:00', berlin, '2026-03-29T00:59:59Z'),
      false,
      '01:59, before the gap',
    )
  })

  test('is that of its zone', () => {
    assert.equal(within('00:00-06:00', 'Asia/Kolkata', '2026-03-01T20:00:00Z'), true)
    assert.equal(within('00:00-06:00', 'UTC', '2026-03-01T20:00:00Z'), false)
  })

  test('and the rest of the week never overlap and leave nothing out', () => {
    const minute = fc.integer({ min: 0, max: 1_439 })
    const text = (at: number) =>
      `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`
    fc.assert(
      fc.property(minute, minute, fc.integer({ min: 0, max: 366 * 1_440 }), (from, until, at) => {
        fc.pre(from !== until)
        const time = Date.UTC(2026, 0, 1) + at * 60_000
        const inside = isWithin(readSchedule(`${text(from)}-${text(until)}`, berlin), time)
        const outside = isWithin(readSchedule(`${text(until)}-${text(from)}`, berlin), time)
        assert.notEqual(inside, outside)
      }),
    )
  })
})

describe('a condition on time', () => {
  for (const [what, text, message] of [
    ['a day that there is not', 'during("mun 08:00-10:00", "UTC")', /names no days/],
    ['a zone that there is not', 'during("mon", "Europe/Berln")', /no time zone/],
    ['an hour that there is not', 'during("25:00-26:00", "UTC")', /no time of day/],
    ['a span without an end', 'during("08:00", "UTC")', /no time of the week/],
    ['nothing between its ends', 'during("08:00-08:00", "UTC")', /begins and ends at once/],
    ['a zone that is no text', 'during("mon", alert.user)', /time zone as text/],
  ] as const)
    test(`with ${what} is refused when the policy is read`, () => {
      const read = readCondition(text)
      assert.ok('at' in read)
      assert.match(read.message, message)
      assert.match(read.remedy, /during\("mon-fri 22:00-06:00", "Europe\/Berlin"\)/)
    })

  test('is one of many in a rule', () => {
    assert.ok(
      !('at' in readCondition('during("mon-fri 08:00-18:00", "UTC") && alert.severity > 10')),
    )
  })
})
