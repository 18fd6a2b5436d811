/** Conditions of rules: CEL, parsed and type-checked once, with every mistake found before the first alert. */
import {
  type ASTNode,
  Environment,
  ParseError,
  TypeError as TypeMistake,
} from '@marcbachmann/cel-js'
import { nearest } from '#contract/problem.ts'
import { type Evidence, Hidden, hidden, viewTypes } from './evidence.ts'
import { isCounting, macros, readSource, readWindow } from './macros.ts'
import { type Mistake, Refusal } from './mistake.ts'

export type Condition = {
  /** May throw where the text alone cannot tell, as at `alert.groups[3]` of an alert with two groups. */
  readonly matches: (evidence: Evidence) => boolean
  /** The longest time that it counts over; 0 when it counts nothing. */
  readonly windowMs: number
  /** Lists and providers of intelligence that it names. */
  readonly lists: readonly string[]
  readonly providers: readonly string[]
  /** Whether it asks what nodes still stop. */
  readonly asksHits: boolean
}

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
    return {
      matches: (evidence) => expression(evidence) === true,
      windowMs: longestWindow(expression.ast),
      lists: [...new Set(namedIn(expression.ast, 'listed'))],
      providers: [...new Set(namedIn(expression.ast, 'intel'))],
      asksHits: calls(expression.ast, 'still_hitting'),
    }
  } catch (error) {
    return asMistake(error, text)
  }
}

const environment = makeEnvironment()

function makeEnvironment(): Environment {
  const made = new Environment({ limits: { maxAstNodes: 2_000, maxDepth: 50 } })
  for (const view of viewTypes) made.registerType({ ...view, fields: { ...view.fields } })
  made.registerType('Hidden', { ctor: Hidden, fields: {} })
  made.registerVariable('alert', 'Alert').registerVariable('offences', 'int')
  made.registerVariable('place', 'Place')
  made.registerVariable(hidden, 'Hidden')
  for (const [signature, read] of macros) made.registerFunction(signature, read)
  return made
}

function longestWindow(node: ASTNode): number {
  const own = node.op === 'call' && isCounting(node.args[0]) ? readWindow('', node.args[1][0]) : 0
  return Math.max(own, ...childrenOf(node).map(longestWindow))
}

function calls(node: ASTNode, called: string): boolean {
  if (node.op === 'call' && node.args[0] === called) return true
  return childrenOf(node).some((child) => calls(child, called))
}

/** The names in all calls of this function. */
function namedIn(node: ASTNode, called: 'listed' | 'intel'): string[] {
  const own =
    node.op === 'call' && node.args[0] === called ? [readSource(called, node.args[1][0])] : []
  return [...own, ...childrenOf(node).flatMap((child) => namedIn(child, called))]
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
const variableNames = ['alert', 'offences', 'place']
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
