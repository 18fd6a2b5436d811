/** Conditions of rules: CEL, parsed and type-checked once, with every mistake found before the first alert. */
import {
  type ASTNode,
  Environment,
  ParseError,
  TypeError as TypeMistake,
} from '@marcbachmann/cel-js'
import { type Address, contains, maybeAddress } from '#contract/address.ts'
import { printDuration, readDuration } from '#contract/duration.ts'
import { nearest } from '#contract/problem.ts'
import { type Evidence, Hidden, hidden, viewTypes } from './evidence.ts'
import { historyWindowMs } from './facts.ts'
import { type CountingName, countings } from './history.ts'

export type Condition = {
  /** May throw where the text alone cannot tell, as at `alert.groups[3]` of an alert with two groups. */
  readonly matches: (evidence: Evidence) => boolean
  /** The longest time that it counts over; 0 when it counts nothing. */
  readonly windowMs: number
}

/** `at` counts characters of the condition from 0. */
export type Mistake = { at: number; message: string; remedy: string }

export function readCondition(text: string): Condition | Mistake {
  try {
    const expression = environment.parse(text)
    refuseUnsafe(expression.ast)
    const checked = expression.check()
    if (checked.error) throw checked.error
    if (checked.type !== 'bool')
      return {
        at: 0,
        message: `gives ${checked.type}, not true or false`,
        remedy: 'compare it with something, such as alert.severity >= 70',
      }
    const windowMs = longestWindow(expression.ast)
    return { matches: (evidence) => expression(evidence) === true, windowMs }
  } catch (error) {
    return asMistake(error, text)
  }
}

class Refusal extends Error {
  readonly mistake: Mistake
  constructor(node: { start: number }, message: string, remedy: string) {
    super(message)
    this.mistake = { at: node.start, message, remedy }
  }
}

/** What CEL's macros hand to us; the library types all of it as any. */
type MacroCall = { args: readonly ASTNode[] }
type Checker = {
  check: (node: ASTNode, scope: unknown) => { type: string }
  getType: (name: string) => unknown
}
type Scope = { getValue: (name: string) => unknown }
type Runner = { run: (node: ASTNode, scope: Scope) => unknown }

const environment = makeEnvironment()

function makeEnvironment(): Environment {
  const made = new Environment({ limits: { maxAstNodes: 2_000, maxDepth: 50 } })
  for (const view of viewTypes) made.registerType({ ...view, fields: { ...view.fields } })
  made.registerType('Hidden', { ctor: Hidden, fields: {} })
  made.registerVariable('alert', 'Alert').registerVariable('offences', 'int')
  made.registerVariable(hidden, 'Hidden')
  for (const name of Object.keys(countings) as CountingName[])
    made.registerFunction(`${name}(ast): int`, (call: MacroCall) => counting(name, call))
  made.registerFunction('in_network(ast, ast): bool', inNetwork)
  return made
}

/** The window is read while the policy is loaded, so that a wrong one is found then. */
function counting(name: CountingName, { args: [argument] }: MacroCall) {
  const windowMs = readWindow(name, argument)
  return {
    async: false,
    typeCheck: (checker: Checker) => checker.getType('int'),
    evaluate: (_: Runner, __: unknown, scope: Scope) =>
      hiddenOf(scope).history.count(name, windowMs),
  }
}

function inNetwork({ args: [subject, literal] }: MacroCall) {
  const network = readNetwork(literal)
  return {
    async: false,
    typeCheck(checker: Checker, _: unknown, scope: unknown) {
      if (subject && checker.check(subject, scope).type !== 'string')
        throw new Refusal(
          subject,
          'in_network() looks at the text of an address',
          'write in_network(alert.attacker, "192.0.2.0/24")',
        )
      return checker.getType('bool')
    },
    evaluate(runner: Runner, _: unknown, scope: Scope) {
      const text = subject && runner.run(subject, scope)
      const address = typeof text === 'string' ? hiddenOf(scope).address(text) : undefined
      return address !== undefined && contains(network, address)
    },
  }
}

function hiddenOf(scope: Scope): Hidden {
  const value = scope.getValue(hidden)
  if (value instanceof Hidden) return value
  throw new Error('a condition was evaluated without the alert')
}

function readWindow(name: string, node: ASTNode | undefined): number {
  const remedy = `write a length of time in quotes, such as ${name}("10m")`
  if (node?.op !== 'value' || typeof node.args !== 'string')
    throw new Refusal(node ?? { start: 0 }, `${name}() takes a length of time as text`, remedy)
  const windowMs = durationOf(node.args)
  if (windowMs === undefined || windowMs <= 0)
    throw new Refusal(node, `"${node.args}" is no length of time`, remedy)
  if (windowMs <= historyWindowMs) return windowMs
  throw new Refusal(
    node,
    `"${node.args}" reaches back further than the history that is kept`,
    `use at most ${printDuration(historyWindowMs)}; offences counts earlier blocks without limit`,
  )
}

function longestWindow(node: ASTNode): number {
  const own =
    node.op === 'call' && Object.hasOwn(countings, node.args[0])
      ? readWindow('', node.args[1][0])
      : 0
  return Math.max(own, ...childrenOf(node).map(longestWindow))
}

function durationOf(text: string): number | undefined {
  try {
    return readDuration(text)
  } catch {
    return undefined
  }
}

function readNetwork(node: ASTNode | undefined): Address {
  const text = node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined
  const network = text === undefined ? undefined : maybeAddress(text)
  if (network) return network
  throw new Refusal(
    node ?? { start: 0 },
    text === undefined ? 'in_network() takes a network as text' : `"${text}" is no network`,
    'write an address and a network in quotes: in_network(alert.attacker, "192.0.2.0/24")',
  )
}

/** Refuses what the type checker would let through and only an alert would find. */
function refuseUnsafe(node: ASTNode): void {
  if (node.op === 'id' && node.args === hidden)
    throw new Refusal(node, `unknown name ${hidden}`, `known are ${variableNames.join(', ')}`)
  if (node.op === 'call' && (node.args[0] === 'has' || node.args[0] === 'dyn'))
    throw new Refusal(
      node,
      `${node.args[0]}() hides mistakes from the check`,
      'compare the field itself: absent text is "" and an absent number is 0',
    )
  if (node.op === 'rcall' && node.args[0] === 'matches') refusePattern(node.args[2][0] ?? node)
  for (const child of childrenOf(node)) refuseUnsafe(child)
}

function refusePattern(node: ASTNode): void {
  const pattern = node.op === 'value' && typeof node.args === 'string' ? node.args : undefined
  try {
    if (pattern !== undefined) return void new RegExp(pattern)
  } catch {}
  throw new Refusal(
    node,
    pattern === undefined
      ? 'matches() takes its pattern as text'
      : `"${pattern}" is no regular expression`,
    'write the pattern in quotes, such as alert.rule.name.matches("[Bb]rute")',
  )
}

function childrenOf(node: ASTNode): ASTNode[] {
  const args: unknown = node.args
  return (Array.isArray(args) ? args.flat(2) : [args]).filter(isNode)
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}

function asMistake(error: unknown, text: string): Mistake {
  if (error instanceof Refusal) return error.mistake
  if (error instanceof ParseError || error instanceof TypeMistake) {
    const at = error.range?.start ?? 0
    const word = text.slice(at, error.range?.end)
    return { at, ...inPlainWords(error.code, error.summary, word) }
  }
  throw error
}

function inPlainWords(code: string, summary: string, word: string) {
  if (code === 'no_such_key') return unknown('field', word, fieldNames)
  if (code === 'unknown_variable') return unknown('name', word, variableNames)
  const called = /^(?:.*\.)?([a-z_]\w*)\(/s.exec(word)?.[1]
  if (code === 'no_matching_overload' && called && !functionNames.includes(called))
    return unknown('function', called, functionNames)
  const message = summary.charAt(0).toLowerCase() + summary.slice(1).replace(/\.$/, '')
  return { message, remedy: 'conditions are CEL; the default policy shows the forms that are used' }
}

const fieldNames = viewTypes.flatMap((view) => Object.keys(view.fields))
const variableNames = ['alert', 'offences']
const functionNames = environment
  .getDefinitions()
  .functions.map((known) => known.name)
  .filter((name) => name !== 'has' && name !== 'dyn')

function unknown(kind: string, word: string, known: readonly string[]) {
  const guess = nearest(word, known)
  const remedy =
    guess === undefined ? `known are ${[...new Set(known)].join(', ')}` : `did you mean ${guess}?`
  return { message: `unknown ${kind} ${word}`, remedy }
}
