/** `cordon help` and `cordon version`. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { answer } from './answer.ts'
import { type Command, type Handler, nameOf } from './command.ts'
import { printFamily, printHelp, printOverview, printReference } from './help.ts'
import { findCommand } from './read-command.ts'
import { table } from './table.ts'

export const showHelp: Handler = async (asked, io) => {
  const words = asked.words('command')
  const family = table.filter((command) => words.length === 0 || command.words[0] === words[0])
  const all = family.length > 0 && words.length < 2
  const shown = all ? family : [findCommand(words, table).command]
  const [only] = shown
  answer(asked, io, shown.map(describe), () => {
    if (asked.flag('markdown')) return printReference(shown)
    if (words.length === 0) return printOverview(table, io.self)
    return shown.length === 1 && only ? printHelp(only, io.self) : printFamily(shown, io.self)
  })
  return 0
}

export const showVersion: Handler = async (asked, io) => {
  const it = { version: version(), node: process.version }
  answer(asked, io, it, () => `cordon ${it.version}\n`)
  return 0
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}

function describe(command: Command) {
  const { summary, more, arguments: words, options, example } = command
  return { name: nameOf(command), summary, more, arguments: words, options, example }
}
