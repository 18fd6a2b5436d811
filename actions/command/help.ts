/** The help of all commands and of each, and the reference in the README, from the one table. */
import { type Argument, type Command, commonOptions, nameOf, type Option } from './command.ts'

const environment = [
  ['CORDON_URL', 'the service, http://127.0.0.1:8055 when not set'],
  ['CORDON_TOKEN', 'API token; or CORDON_TOKEN_FILE, a file that holds it'],
  ['CORDON_CA_FILE', "the certificate to trust, such as the service's own data/tls.crt"],
] as const

/** What a person who was woken needs, before the list of all. */
export const firstAid = [
  'why',
  'blocked list',
  'lift',
  'allow',
  'review list',
  'node list',
  'connector list',
] as const

const exits = '0 done, 1 failed, 2 asked wrongly, 3 the answer is no'

export function printOverview(table: readonly Command[], self: string): string {
  const width = Math.max(...table.map((command) => nameOf(command).length))
  const nouns = Map.groupBy(table, ({ words }) => words[0])
  const groups = [...nouns.values()].map((commands) =>
    commands.map((command) => `  ${nameOf(command).padEnd(width)}  ${command.summary}`).join('\n'),
  )
  return [
    `usage: ${self} <noun> <verb> [arguments] [--options]`,
    `woken at night? ${firstAid.join(', ')}`,
    '',
    ...groups,
    '',
    'environment:',
    ...rows(environment),
    '',
    `exit codes: ${exits}`,
    `${self} <noun> <verb> --help says more about each and shows an example`,
    '',
  ].join('\n')
}

/** All commands of a noun. */
export function printFamily(family: readonly Command[], self: string): string {
  return rows(family.map((command) => [`${self} ${nameOf(command)}`, command.summary]))
    .concat('')
    .join('\n')
}

export function printHelp(command: Command, self: string): string {
  const sections = [
    `${self} ${usageOf(command)}`,
    '',
    `${command.summary}.${command.more === undefined ? '' : ` ${command.more}`}`,
    ...section('arguments', command.arguments.map(argumentRow)),
    ...section('options', [...command.options, ...commonOptions].map(optionRow)),
    '',
    'example:',
    `  ${self} ${command.example}`,
    '',
  ]
  return sections.join('\n')
}

/** Every command as Markdown, for the README. */
export function printReference(table: readonly Command[]): string {
  const intro = [
    `Results go to standard output, all else to standard error. Exit codes: ${exits}.`,
    '`--json` on every command prints the result as JSON, `--color auto|always|never` rules colour.',
    '',
    '| environment | meaning |',
    '| --- | --- |',
    ...environment.map(([name, meaning]) => `| \`${name}\` | ${meaning} |`),
    '',
  ]
  return [...intro, ...table.flatMap(markdown)].join('\n')
}

function markdown(command: Command): string[] {
  const described = [...command.arguments.map(argumentRow), ...command.options.map(optionRow)].map(
    ([name, meaning]) => `- \`${name}\`: ${meaning}`,
  )
  return [
    `#### \`cordon ${usageOf(command)}\``,
    '',
    `${command.summary}.${command.more === undefined ? '' : ` ${command.more}`}`,
    '',
    ...described,
    ...(described.length > 0 ? [''] : []),
    '```sh',
    `cordon ${command.example}`,
    '```',
    '',
  ]
}

function usageOf(command: Command): string {
  const words = command.arguments.map(
    ({ name, optional, many }) =>
      `${optional ? '[' : ''}${name.toUpperCase()}${many ? '...' : ''}${optional ? ']' : ''}`,
  )
  const required = command.options.filter(({ required }) => required)
  const must = required.map(({ name, value }) => `--${name} ${value}`)
  const more = command.options.length > required.length ? ['[options]'] : []
  return [nameOf(command), ...words, ...must, ...more].join(' ')
}

function argumentRow({ name, description }: Argument): [string, string] {
  return [name.toUpperCase(), description]
}

function optionRow({ name, value, description, required, many }: Option): [string, string] {
  const notes = [required ? 'required' : '', many ? 'may be repeated' : ''].filter(Boolean)
  const note = notes.length > 0 ? ` (${notes.join(', ')})` : ''
  return [`--${name}${value === undefined ? '' : ` ${value}`}`, `${description}${note}`]
}

function section(title: string, entries: readonly (readonly [string, string])[]): string[] {
  return entries.length === 0 ? [] : ['', `${title}:`, ...rows(entries)]
}

function rows(entries: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...entries.map(([left]) => left.length))
  return entries.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
