/** Times of the week in a named time zone: `mon-fri 22:00-06:00, sat 00:00-24:00` in `Europe/Berlin`. */

/** Minutes of the day; `until` before `from` reaches into the next day. */
type Span = { days: readonly number[]; from: number; until: number }
export type Schedule = { spans: readonly Span[]; zone: Intl.DateTimeFormat }

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const everyDay = [0, 1, 2, 3, 4, 5, 6]
const dayMinutes = 24 * 60

/** Thrown with what is wrong with the text, in words for who wrote it. */
export class ScheduleMistake extends Error {}

/**
 * Days are those of the local calendar on which a span begins: `fri 22:00-06:00` ends on Saturday morning. In the
 * hour that a clock shows twice both count, and one that it skips never comes. Throws `ScheduleMistake`.
 */
export function readSchedule(text: string, zone: string): Schedule {
  const spans = text.split(',').map((part) => readSpan(part.trim()))
  return { spans, zone: readZone(zone) }
}

/** `at` in epoch milliseconds. */
export function isWithin({ spans, zone }: Schedule, at: number): boolean {
  const { day, minute } = localTime(zone, at)
  const before = (day + 6) % 7
  return spans.some(({ days, from, until }) =>
    until > from
      ? days.includes(day) && minute >= from && minute < until
      : (days.includes(day) && minute >= from) || (days.includes(before) && minute < until),
  )
}

/** Every zone changes its clock at a quarter of an hour. */
const quarterMs = 15 * 60_000
/** One week may be passed over, where its hour is skipped: what did not change in two never does. */
const searchedMs = 15 * 24 * 3_600_000

/**
 * When `isWithin` next says another thing than at `at`, to the minute at which it does; undefined when it never will. It goes
 * from edge to edge, and never beyond a quarter of an hour at once, so that no change of the clocks is overlooked.
 */
export function nextChange(schedule: Schedule, at: number): number | undefined {
  const before = isWithin(schedule, at)
  const edges = schedule.spans.flatMap(({ from, until }) => [from, until % dayMinutes])
  for (let time = at; time < at + searchedMs; ) {
    const { minute } = localTime(schedule.zone, time)
    const toEdge = Math.min(
      ...edges.map((edge) => ((edge - minute + dayMinutes - 1) % dayMinutes) + 1),
    )
    const whole = time - (time % 60_000)
    time = Math.min(whole + toEdge * 60_000, time - (time % quarterMs) + quarterMs)
    if (isWithin(schedule, time) !== before) return time
  }
  return undefined
}

function readSpan(text: string): Span {
  const form = /^(?:([a-z]{3}(?:-[a-z]{3})?)(?:\s+|$))?(?:(\d{1,2}:\d\d)-(\d{1,2}:\d\d))?$/i.exec(
    text,
  )
  if (!form || text === '')
    throw new ScheduleMistake(`"${text}" is no time of the week such as "mon-fri 22:00-06:00"`)
  const [, days, from, until] = form
  const span = {
    days: days === undefined ? everyDay : readDays(days.toLowerCase()),
    from: from === undefined ? 0 : readMinute(from),
    until: until === undefined ? dayMinutes : readMinute(until),
  }
  if (span.from !== span.until && span.from < dayMinutes) return span
  throw new ScheduleMistake(`"${text}" begins and ends at once; a whole day is 00:00-24:00`)
}

/** `sat-mon` goes round the end of the week. */
function readDays(text: string): number[] {
  const [first = '', last = first] = text.split('-')
  const [from, to] = [dayNames.indexOf(first), dayNames.indexOf(last)]
  if (from < 0 || to < 0)
    throw new ScheduleMistake(`"${text}" names no days; they are ${dayNames.join(', ')}`)
  const count = ((to - from + 7) % 7) + 1
  return Array.from({ length: count }, (_, index) => (from + index) % 7)
}

function readMinute(text: string): number {
  const [hour = 0, minute = 0] = text.split(':').map(Number)
  const total = hour * 60 + minute
  if (minute < 60 && total <= dayMinutes) return total
  throw new ScheduleMistake(`"${text}" is no time of day from 00:00 to 24:00`)
}

/** Formats are dear to make and the same zones come again and again. */
const zones = new Map<string, Intl.DateTimeFormat>()

function readZone(name: string): Intl.DateTimeFormat {
  const known = zones.get(name)
  if (known) return known
  const format = makeFormat(name)
  zones.set(name, format)
  return format
}

function makeFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
  } catch {
    throw new ScheduleMistake(`"${timeZone}" is no time zone such as "Europe/Berlin" or "UTC"`)
  }
}

function localTime(zone: Intl.DateTimeFormat, at: number): { day: number; minute: number } {
  const parts = new Map(zone.formatToParts(at).map(({ type, value }) => [type, value]))
  const day = dayNames.indexOf((parts.get('weekday') ?? '').toLowerCase())
  return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) }
}
