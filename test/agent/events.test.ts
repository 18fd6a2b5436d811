/** Server-sent events, however the network cuts them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventReader, type StreamEvent } from '../../agent/events.ts'

const ending = fc.constantFrom('\n', '\r', '\r\n')
const value = fc.string().map((text) => text.replace(/[\r\n\0]/g, '_'))
const event = fc.record({
  event: fc.constantFrom('hello', 'envelope', 'head'),
  id: value,
  data: fc.array(value, { minLength: 1, maxLength: 3 }),
})

test('events are the same however their text is cut, with every kind of line ending', () => {
  fc.assert(
    fc.property(
      fc.array(event),
      ending,
      fc.array(fc.nat(400)),
      fc.boolean(),
      (events, end, cuts, mark) => {
        const text = (mark ? '\ufeff' : '') + events.map((one) => print(one, end)).join('')
        const reader = new EventReader()
        // A CR at the very end waits for its LF, so a comment follows.
        const read = pieces(`${text}:${end}`, cuts).flatMap((piece) => reader.push(piece))
        assert.deepEqual(
          read,
          events.map(({ data, ...rest }) => ({ ...rest, data: data.join('\n') })),
        )
      },
    ),
  )
})

test('comments, unknown fields and events without data are no events', () => {
  assert.deepEqual(read(': ping\n\nretry: 5\n\nevent: hello\n\nfoo: bar\n\n'), [])
})

test('one space after the colon is not part of the value, a second one is', () => {
  assert.deepEqual(read('data:  two\n\n'), [{ event: 'message', data: ' two', id: '' }])
})

test('the id stays until another one comes', () => {
  assert.deepEqual(
    read('id: 1\ndata: a\n\ndata: b\n\n').map(({ id }) => id),
    ['1', '1'],
  )
})

for (const [what, piece] of [
  ['of long lines', `${'data: '.padEnd(100_000, 'x')}\n`],
  ['of empty lines', 'data:\n'.repeat(20_000)],
  ['of one line', 'data'.padEnd(100_000, ':')],
] as const)
  test(`an event ${what} that never ends is refused before it fills the memory`, () => {
    const reader = new EventReader()
    assert.throws(
      () => {
        for (let n = 0; n < 200; n++) reader.push(piece)
      },
      { code: 'too_large' },
    )
  })

function read(text: string): StreamEvent[] {
  return new EventReader().push(text)
}

function print(one: { event: string; id: string; data: string[] }, end: string): string {
  const data = one.data.map((line) => `data: ${line}${end}`).join('')
  return `event: ${one.event}${end}id: ${one.id}${end}${data}${end}`
}

function pieces(text: string, cuts: readonly number[]): string[] {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, n) => text.slice(at[n], end))
}
