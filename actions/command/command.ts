/** What a command of the table is, and what it is given when it runs. */
import type { Environment } from '#contract/settings.ts'

export type Command = {
  /** `decision list`, or one word. */
  words: readonly [noun: string, verb?: string]
  summary: string
  arguments: readonly Argument[]
  options: readonly Option[]
  /** What follows `cordon` in one line that works. */
  example: string
  /** What the summary leaves open, such as when the answer is no. */
  more?: string
  /** Loaded only when it runs, so that no command pays for another. */
  load(parts: Parts): Promise<Handler>
}

export type Argument = {
  name: string
  description: string
  optional?: boolean
  /** Takes all words that are left. */
  many?: boolean
}

export type Option = {
  name: string
  /** What stands for the value in the help; a switch has none. */
  value?: string
  /** All values that it takes, where they are few. */
  choices?: readonly string[]
  description: string
  required?: boolean
  many?: boolean
}

/** 0 done, 1 failed, 2 asked wrongly, 3 the answer is no. */
export type Exit = 0 | 1 | 2 | 3
export type Handler = (asked: Asked, io: Io) => Promise<number>

/** What lies outside of this folder, handed in by the root file that knows all parts. */
export type Parts = {
  start(): Promise<Handler>
  agent(verb: AgentVerb): Promise<Handler>
}
export type AgentVerb = 'enrol' | 'run' | 'check' | 'status' | 'clear'

/** The words and options of one call, checked against the table. */
export type Asked = {
  /** A required argument. */
  argument(name: string): string
  /** An argument that may be absent, or that takes several words. */
  words(name: string): readonly string[]
  option(name: string): string | undefined
  options(name: string): readonly string[]
  required(name: string): string
  flag(name: string): boolean
  json: boolean
  /** What stood after the command's words, but for colour: for a part that reads its own. */
  rest: readonly string[]
}

export type Io = {
  /** Results. */
  out(text: string): void
  /** Everything else. */
  err(text: string): void
  environment: Environment
  /** Whether results and messages go to a terminal, and may be coloured. */
  screen: { out: boolean; err: boolean; colour: { out: boolean; err: boolean } }
  stdin(): AsyncIterable<Uint8Array>
  now(): number
  /** How a person calls this program: `cordon`, or `npx cordon`. */
  self: string
  signals: Signals
}

/** The part of `process` that a command which stays needs. */
export type Signals = {
  on(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
  off(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
  exit(code: number): void
}

export function nameOf(command: Pick<Command, 'words'>): string {
  return command.words.filter((word) => word !== undefined).join(' ')
}

/** On every command. */
export const commonOptions: readonly Option[] = [
  { name: 'json', description: 'print the result as JSON; its fields only ever grow' },
  {
    name: 'color',
    value: 'WHEN',
    choices: ['auto', 'always', 'never'],
    description: 'auto, always or never',
  },
  { name: 'help', description: 'show this' },
]
