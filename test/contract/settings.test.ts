/** Settings from file and environment: what is given, what is refused, what is said. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import {
  listOf,
  readSettings,
  refuseUnknownEnvironment,
  Switch,
  settingRows,
} from '#contract/settings.ts'

const Schema = z.strictObject({
  listen: z.string().default('127.0.0.1:1').meta({ description: 'where' }),
  networks: listOf(z.string()).default([]),
  strict: Switch.default(false),
  secret: z.string().optional(),
  port: z.coerce.number().int().max(65_535).default(1),
})
const read = (environment: Record<string, string>, given = {}) =>
  readSettings(Schema, 'T_', environment, given)

describe('settings', () => {
  test('that are not given are the defaults', () => {
    assert.deepEqual(read({}), { listen: '127.0.0.1:1', networks: [], strict: false, port: 1 })
    assert.equal(read({ T_LISTEN: '' }).listen, '127.0.0.1:1')
  })

  test('of the environment win over those of the file', () => {
    assert.equal(read({ T_LISTEN: 'b' }, { listen: 'a' }).listen, 'b')
    assert.equal(read({}, { listen: 'a' }).listen, 'a')
  })

  test('that are lists are arrays in a file and commas in the environment', () => {
    assert.deepEqual(read({ T_NETWORKS: ' 192.0.2.0/24, ,203.0.113.7 ' }).networks, [
      '192.0.2.0/24',
      '203.0.113.7',
    ])
    assert.deepEqual(read({}, { networks: ['a', 'b'] }).networks, ['a', 'b'])
    refused('setting_invalid', () => read({}, { networks: 7 }))
  })

  test('that are switches are words in the environment, and nothing else is taken for one', () => {
    for (const word of ['true', '1', 'yes', 'ON'])
      assert.equal(read({ T_STRICT: word }).strict, true)
    for (const word of ['false', '0', 'no', 'Off'])
      assert.equal(read({ T_STRICT: word }).strict, false)
    refused('setting_invalid', () => read({ T_STRICT: 'maybe' }))
    refused('setting_invalid', () => read({}, { strict: 1 }))
  })

  test('can stand in a file of their own, which wins and must be readable', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-settings-'))
    const file = join(dir, 'secret')
    writeFileSync(file, 'hidden\n')
    assert.equal(read({ T_SECRET_FILE: file, T_SECRET: 'open' }).secret, 'hidden')
    assert.match(
      refused('setting_invalid', () => read({ T_SECRET_FILE: join(dir, 'none') })).message,
      /T_SECRET_FILE/,
    )
    rmSync(dir, { recursive: true })
  })

  test('that nobody knows are refused with the nearest that is known', () => {
    assert.equal(
      refused('setting_unknown', () => read({}, { lisen: 'a' })).remedy,
      'did you mean listen?',
    )
    assert.match(
      refused('setting_unknown', () => read({}, { qwertyuiop: 1 })).remedy ?? '',
      /README/,
    )
    const known = ['T_LISTEN', 'T_PORT']
    assert.equal(
      refused('setting_unknown', () => refuseUnknownEnvironment({ T_LISTN: 'a' }, 'T_', known))
        .remedy,
      'did you mean T_LISTEN?',
    )
    refuseUnknownEnvironment({ T_LISTEN_FILE: 'a', OTHER: 'b' }, 'T_', known)
  })

  test('that are wrong are refused with their name in the environment', () => {
    const problem = refused('setting_invalid', () => read({ T_PORT: '99999' }))
    assert.match(problem.message, /^setting port/)
    assert.match(problem.remedy ?? '', /T_PORT/)
  })

  test('that are no length of time are told how one is written, also as a number in a file', () => {
    const Timed = z.strictObject({ every: Duration.prefault('5s') })
    for (const every of [5, '5', 'soon']) {
      const problem = refused('setting_invalid', () => readSettings(Timed, 'T_', {}, { every }))
      assert.match(problem.message, /^setting every: (expected a|".+" is no) length of time/)
    }
  })

  test('are a table for the README', () => {
    assert.deepEqual(settingRows(Schema, 'T_')[0], {
      key: 'listen',
      environment: 'T_LISTEN',
      default: '127.0.0.1:1',
      description: 'where',
    })
  })
})

function refused(code: string, work: () => unknown): Problem {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof Problem)
    assert.equal(error.code, code)
    return error
  }
  assert.fail(`nothing was refused, ${code} was expected`)
}
