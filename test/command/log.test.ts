/** What a person finds in the log at night: what is wrong and what to do, on one line. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { openLog } from '../../actions/command/serve.ts'

describe('a line of the log', () => {
  test('about a problem says what it is and what to do, and not where in the code it arose', () => {
    const { err, msg } = logged(
      new Problem('unauthenticated', 'splunk refuses the token', {
        remedy: 'make a new one',
        cause: new Error('401'),
      }),
    )
    assert.equal(msg, 'a source fails')
    assert.deepEqual(err, {
      code: 'unauthenticated',
      message: 'splunk refuses the token',
      remedy: 'make a new one',
      cause: '401',
    })
  })

  test('about what nobody expected keeps its stack, with that of its cause', () => {
    const cause = new TypeError('x is not a function')
    for (const error of [cause, new Problem('internal', 'something failed', { cause })])
      assert.match(logged(error).err.stack, /log\.test\.ts/)
    assert.match(logged(new Problem('internal', 'failed', { cause })).err.stack, /TypeError: x is/)
  })

  test('about what is no error at all is a line as well', () => {
    assert.deepEqual(logged('gone').err, { message: 'gone' })
  })
})

function logged(error: unknown) {
  const lines: string[] = []
  openLog({ err: (line) => void lines.push(line) }, 'warn').warn({ err: error }, 'a source fails')
  assert.equal(lines.length, 1)
  return JSON.parse(lines[0] ?? '')
}
