/** Times of the week: across midnight, across the change of the clocks, in a named zone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isWithin, nextChange, readSchedule } from '#contract/schedule.ts'
import { readCondition } from '../../actions/decide/condition.ts'

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

describe('the next change of a time of the week', () => {
  for (const [name, text, zone, from, expected] of [
    ['is the beginning', 'mon-fri 22:00-06:00', berlin, '2026-03-02T12:00Z', '2026-03-02T21:00Z'],
    ['is the end, after midnight', '22:00-06:00', berlin, '2026-03-02T23:10Z', '2026-03-03T05:00Z'],
    ['is over the weekend', 'mon 08:00-09:00', berlin, '2026-03-02T09:00Z', '2026-03-09T07:00Z'],
    ['comes an hour sooner', '22:00-06:00', berlin, '2026-03-28T22:00Z', '2026-03-29T04:00Z'],
    ['comes an hour later', '22:00-06:00', berlin, '2026-10-24T21:00Z', '2026-10-25T05:00Z'],
    ['begins in a skipped hour', '02:30-05:00', berlin, '2026-03-29T00:00Z', '2026-03-29T01:00Z'],
    ['is twice in a doubled hour', '02:30-02:45', berlin, '2026-10-25T00:45Z', '2026-10-25T01:30Z'],
    [
      'is never in a skipped hour',
      'sun 02:15-02:45',
      berlin,
      '2026-03-28T12:00Z',
      '2026-04-05T00:15Z',
    ],
    [
      'follows a clock that changes by half an hour',
      '01:45-02:15',
      'Australia/Lord_Howe',
      '2026-04-04T14:45Z',
      '2026-04-04T15:00Z',
    ],
    [
      'sees what such a clock shows again',
      'sun 01:40-01:50',
      'Australia/Lord_Howe',
      '2026-04-04T14:50Z',
      '2026-04-04T15:10Z',
    ],
  ] as const)
    test(`${name}: ${text} after ${from}`, () => {
      const next = nextChange(readSchedule(text, zone), Date.parse(from))
      assert.equal(new Date(next ?? 0).toISOString(), new Date(expected).toISOString())
    })

  test('there is none for what always or never holds', () => {
    assert.equal(nextChange(readSchedule('mon-sun', berlin), Date.UTC(2026, 2, 1)), undefined)
  })

  test('nothing changes before it, whatever the zone, the day and the span', () => {
    const zones = ['Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/St_Johns']
    const minute = fc.integer({ min: 0, max: 24 * 60 - 1 })
    const clock = (at: number) => `${Math.floor(at / 60)}:${String(at % 60).padStart(2, '0')}`
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        minute,
        minute,
        fc.integer({ min: 0, max: 366 * 24 * 60 }),
        (zone, begin, end, offset) => {
          fc.pre(begin !== end)
          const schedule = readSchedule(`${clock(begin)}-${clock(end)}`, zone)
          const at = Date.UTC(2026, 0, 1) + offset * 60_000
          const next = nextChange(schedule, at)
          assert.ok(next !== undefined)
          const now = isWithin(schedule, at)
          for (let time = at; time < next; time += 60_000)
            assert.equal(isWithin(schedule, time), now, new Date(time).toISOString())
          assert.equal(isWithin(schedule, next), !now)
        },
      ),
      { numRuns: 40 },
    )
  })
})
