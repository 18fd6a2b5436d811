/** Every command of the table, whichever it is: a new one is tested by being there. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nameOf } from '../../actions/command/command.ts'
import { firstAid, printReference } from '../../actions/command/help.ts'
import { findCommand, readAsked } from '../../actions/command/read-command.ts'
import { table } from '../../actions/command/table.ts'
import { type, words } from './terminal.ts'

for (const command of table)
  describe(`cordon ${nameOf(command)}`, () => {
    const name = words(nameOf(command))

    test('teaches with an example when asked for help', async () => {
      const { code, out, err } = await type([...name, '--help'])
      assert.equal(code, 0)
      assert.equal(err, '')
      assert.ok(out.includes(`example:\n  cordon ${command.example}\n`), out)
      for (const option of command.options) assert.ok(out.includes(`--${option.name}`), option.name)
    })

    test('has an example that is this command, rightly used', () => {
      const [example = ''] = command.example.split(' > ')
      const found = findCommand(words(example), table)
      assert.equal(found.command, command)
      readAsked(found.command, found.rest)
    })

    test('can answer with JSON', async () => {
      const { out } = await type([...name, '--help'])
      assert.ok(out.includes('--json'))
      const [example = ''] = command.example.split(' > ')
      assert.equal(
        readAsked(command, [...findCommand(words(example), table).rest, '--json']).json,
        true,
      )
    })

    test('refuses an option that it does not have, and names the nearest', async () => {
      const { code, out, err } = await type([...name, '--jsom'])
      assert.equal(code, 2)
      assert.equal(out, '')
      assert.equal(
        err,
        `error: ${nameOf(command)} has no option --jsom\nhint: did you mean --json?\n`,
      )
    })

    test('has a handler', async () => {
      const parts = { start: async () => async () => 0, agent: async () => async () => 0 }
      assert.equal(typeof (await command.load(parts)), 'function')
    })
  })

test('no two commands have the same words, and no noun is both a command and a family', () => {
  const names = table.map(nameOf)
  assert.equal(new Set(names).size, names.length)
  const alone = table.filter(({ words: [, verb] }) => verb === undefined).map(nameOf)
  for (const { words } of table)
    if (words[1] !== undefined) assert.ok(!alone.includes(words[0]), words[0])
})

test('what the overview names first is there', () => {
  const names = table.map(nameOf)
  for (const name of firstAid) assert.ok(names.includes(name), name)
})

test('the reference holds every command with its example', () => {
  const text = printReference(table)
  for (const command of table)
    assert.ok(text.includes(`cordon ${command.example}\n`), nameOf(command))
})

const refused: [line: string, error: string, hint: string][] = [
  ['decison list', 'there is no command "decison"', 'did you mean decision?'],
  ['decision lst', 'decision has no "lst"', 'did you mean cordon decision list?'],
  ['epoch', 'epoch needs a verb', 'write cordon epoch begin'],
  ['node list extra', 'node list: "extra" is one word too many', 'write it like: cordon node list'],
  [
    'why',
    'why: ADDRESS is missing: a host or a network, IPv4 or IPv6',
    'write it like: cordon why 203.0.113.7',
  ],
  [
    'lift 203.0.113.7',
    'lift: --reason is missing',
    'write it like: cordon lift 203.0.113.7 --reason "false alarm"',
  ],
  [
    'lift 203.0.113.7 --reason --json',
    'lift: --reason needs a value: --reason TEXT',
    'write it like: cordon lift 203.0.113.7 --reason "false alarm"',
  ],
  [
    'why 203.0.113.7 --json=yes',
    'why: --json takes no value',
    'write it like: cordon why 203.0.113.7',
  ],
  ['--jason', 'the command comes first, then --jason', 'cordon help lists all commands'],
  ['xyzzyxyzzy', 'there is no command "xyzzyxyzzy"', 'cordon help lists all commands'],
]

for (const [line, error, hint] of refused)
  test(`"cordon ${line}" is asked wrongly, and the answer says how to ask`, async () => {
    const { code, err } = await type(words(line))
    assert.equal(err, `error: ${error}\nhint: ${hint}\n`)
    assert.equal(code, 2)
  })

test('a problem is JSON on standard output too when JSON was asked for', async () => {
  const { code, out } = await type(['why', '--json'])
  assert.equal(code, 2)
  assert.equal(JSON.parse(out).code, 'usage')
})

test('colour is for terminals, and as the option says', async () => {
  const red = '\u001b[31merror:'
  assert.ok((await type(['epoch'], { terminal: true })).err.startsWith(red))
  assert.ok((await type(['epoch'])).err.startsWith('error:'))
  const wrong = await type(['version', '--color', 'blue'])
  assert.equal(wrong.code, 2)
})
