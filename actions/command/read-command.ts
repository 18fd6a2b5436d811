/** Words of the command line to a command of the table and what it was asked; unknown words get the nearest known one. */
import { parseArgs } from 'node:util'
import { nearest, Problem } from '#contract/problem.ts'
import { type Asked, type Command, commonOptions, nameOf, type Option } from './command.ts'

export type Found = { command: Command; rest: string[] }

/** Throws `usage` for a word that is none, and for a noun that stands alone but has verbs. */
export function findCommand(args: readonly string[], table: readonly Command[]): Found {
  const [noun = '', verb = ''] = args
  const alone = table.find(({ words }) => words[0] === noun && words[1] === undefined)
  if (alone) return { command: alone, rest: args.slice(1) }
  const family = table.filter(({ words }) => words[0] === noun)
  if (family.length === 0) throw unknownNoun(noun, table)
  const command = family.find(({ words }) => words[1] === verb)
  if (command) return { command, rest: args.slice(2) }
  throw unknownVerb(
    noun,
    verb,
    family.map(({ words }) => words[1] ?? ''),
  )
}

export function wantsHelp(rest: readonly string[]): boolean {
  const words = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  return words.includes('--help') || words.includes('-h')
}

/** Throws `usage` for an option or argument that the command does not take, or that it misses. */
export function readAsked(command: Command, rest: readonly string[]): Asked {
  const known = [...command.options, ...commonOptions]
  const { tokens } = parseArgs({
    args: [...rest],
    options: Object.fromEntries(known.map((option) => [option.name, shapeOf(option)])),
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const given = new Map<string, string[]>()
  const ours = new Set<number>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const option = known.find(({ name }) => name === token.name && token.rawName.startsWith('--'))
    if (!option) throw unknownOption(command, token.rawName, known)
    const value = readValue(command, option, token.value, token.inlineValue === true)
    if (given.has(option.name) && !takesSeveral(option))
      throw wrong(command, `--${option.name} is given twice`)
    given.set(option.name, [...(given.get(option.name) ?? []), value])
    if (option.name === 'color')
      ours.add(token.index).add(token.index + (token.inlineValue ? 0 : 1))
  }
  for (const { name, required } of command.options)
    if (required && !given.has(name)) throw wrong(command, `--${name} is missing`)
  const theirs = rest.filter((_, at) => !ours.has(at))
  return toAsked(command, placeWords(command, positionals), given, theirs)
}

function shapeOf(option: Option) {
  return { type: option.value === undefined ? ('boolean' as const) : ('string' as const) }
}

/** Of two answers one would be dropped in silence. What is asked of a switch twice, or of every command, is no doubt. */
function takesSeveral({ many, value, name }: Option): boolean {
  return many === true || value === undefined || commonOptions.some((one) => one.name === name)
}

function readValue(
  command: Command,
  option: Option,
  value: string | undefined,
  inline: boolean,
): string {
  const name = `--${option.name}`
  if (option.value === undefined) {
    if (value !== undefined) throw wrong(command, `${name} takes no value`)
    return 'true'
  }
  if (value === undefined || (!inline && value.startsWith('-') && value !== '-'))
    throw wrong(command, `${name} needs a value: ${name} ${option.value}`)
  if (option.choices && !option.choices.includes(value)) throw noChoice(command, option, value)
  return value
}

function placeWords(command: Command, positionals: readonly string[]): Map<string, string[]> {
  const placed = new Map<string, string[]>()
  const left = [...positionals]
  for (const argument of command.arguments) {
    const words = argument.many ? left.splice(0) : left.splice(0, 1)
    if (words.length === 0 && !argument.optional)
      throw wrong(command, `${argument.name.toUpperCase()} is missing: ${argument.description}`)
    placed.set(argument.name, words)
  }
  if (left.length > 0) throw wrong(command, `"${left[0]}" is one word too many`)
  return placed
}

function toAsked(
  command: Command,
  placed: ReadonlyMap<string, string[]>,
  given: ReadonlyMap<string, string[]>,
  rest: readonly string[],
): Asked {
  const declared = (name: string) => {
    if (![...command.options, ...commonOptions].some((option) => option.name === name))
      throw new Problem('internal', `${nameOf(command)} declares no option ${name}`)
    return given.get(name) ?? []
  }
  const option = (name: string) => declared(name).at(-1)
  const must = (name: string, value: string | undefined) => {
    if (value === undefined) throw wrong(command, `${name} is missing`)
    return value
  }
  return {
    argument: (name) => must(name, placed.get(name)?.[0]),
    words: (name) => placed.get(name) ?? [],
    option,
    options: declared,
    required: (name) => must(`--${name}`, option(name)),
    flag: (name) => declared(name).length > 0,
    json: given.has('json'),
    rest,
  }
}

function unknownNoun(noun: string, table: readonly Command[]): Problem {
  const nouns = [...new Set(table.map(({ words }) => words[0]))]
  const guess = nearest(noun, nouns)
  return new Problem('usage', `there is no command "${noun}"`, {
    remedy: guess ? `did you mean ${guess}?` : 'cordon help lists all commands',
  })
}

function unknownVerb(noun: string, verb: string, verbs: readonly string[]): Problem {
  const all = `write cordon ${noun} ${verbs.join('|')}`
  if (verb === '' || verb.startsWith('-'))
    return new Problem('usage', `${noun} needs a verb`, { remedy: all })
  const guess = nearest(verb, verbs)
  return new Problem('usage', `${noun} has no "${verb}"`, {
    remedy: guess ? `did you mean cordon ${noun} ${guess}?` : all,
  })
}

function unknownOption(command: Command, raw: string, known: readonly Option[]): Problem {
  const name = raw.replace(/^-+/, '')
  const guess = nearest(
    name,
    known.map((option) => option.name),
  )
  return new Problem('usage', `${nameOf(command)} has no option ${raw}`, {
    remedy: guess ? `did you mean --${guess}?` : `cordon ${nameOf(command)} --help lists them`,
  })
}

function noChoice(command: Command, { name, choices = [] }: Option, value: string): Problem {
  const guess = nearest(value, choices)
  return new Problem('usage', `${nameOf(command)}: --${name} takes no "${value}"`, {
    remedy: guess ? `did you mean ${guess}?` : `it takes ${choices.join(', ')}`,
  })
}

function wrong(command: Command, message: string): Problem {
  return new Problem('usage', `${nameOf(command)}: ${message}`, {
    remedy: `write it like: cordon ${command.example}`,
  })
}
