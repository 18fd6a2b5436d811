/** Smaller changes of the text of a policy than a person would type: one word, one number, one rule at the end. Pure. */
import { isMap, isScalar, isSeq, type Node, type Scalar, stringify, type YAMLMap } from 'yaml'
import { readPolicy } from './policy.ts'
import { readSource } from './policy-source.ts'
import type { WrittenRule } from './propose.ts'

/** Of these, `undefined` means that the text is not written in a way that can be changed in place. */
type Text = string | undefined

/** The rule of this name goes on trial, or comes off it. */
export function withObserve(text: string, rule: string, observe: boolean): Text {
  const node = ruleOf(text, rule)
  if (!node) return undefined
  const written = scalarAt(node, 'observe')
  if (written?.range) return spliced(text, written.range, String(observe))
  const verdict = scalarAt(node, 'verdict')
  if (!verdict?.range) return undefined
  const at = verdict.range[1]
  const indent = ' '.repeat(columnOf(text, node))
  const key = node.flow ? `, observe: ${observe}` : `\n${indent}observe: ${observe}`
  return spliced(text, [at, at], key)
}

export type Threshold = { call: string; at: number; least: number }

const threshold =
  /((?:seen|seen_rule|distinct_[a-z]+)\(\s*\\?["'][^"'\\]+\\?["']\s*\)\s*>=\s*)(\d+)/g

/** Counts that the condition of a rule waits for, such as `seen("10m") >= 5`; `at` is where the number stands. */
export function thresholdsOf(text: string, rule: string): Threshold[] {
  const node = ruleOf(text, rule)
  const when = node && scalarAt(node, 'when')
  if (!when?.range) return []
  const [from, to] = when.range
  return [...text.slice(from, to).matchAll(threshold)].map(
    ({ 0: whole, 1: call = '', 2: least, index }) => ({
      call: whole,
      at: from + index + call.length,
      least: Number(least),
    }),
  )
}

export function withThreshold(text: string, { at, least }: Threshold, next: number): Text {
  return spliced(text, [at, at + String(least).length], String(next))
}

/** A new rule that is tried after all others. */
export function withRuleLast(text: string, written: WrittenRule): Text {
  const rules = readSource(text).document.get('rules')
  const last = isSeq(rules) && !rules.flow ? rules.items.at(-1) : undefined
  if (!isMap(last) || !last.range) return undefined
  const start = text.lastIndexOf('\n', last.range[0] - 1) + 1
  const dash = /^( *)- +$/.exec(text.slice(start, last.range[0]))
  if (!dash) return undefined
  const content = last.range[0] + text.slice(last.range[0], last.range[1]).trimEnd().length
  const lineEnd = text.indexOf('\n', content)
  const at = lineEnd < 0 ? text.length : lineEnd + 1
  const block = stringify([written], { lineWidth: 0 }).replace(/^(?=.)/gm, dash[1] ?? '')
  return spliced(text, [at, at], text[at - 1] === '\n' ? block : `\n${block}`)
}

function ruleOf(text: string, name: string): YAMLMap | undefined {
  const rules = readSource(text).document.get('rules')
  const found = isSeq(rules)
    ? rules.items.find((item) => isMap(item) && item.get('name') === name)
    : undefined
  return isMap(found) ? found : undefined
}

function scalarAt(node: YAMLMap, key: string): Scalar | undefined {
  const value: unknown = node.get(key, true)
  return isScalar(value) ? value : undefined
}

/** Where the first key of the rule stands in its line. */
function columnOf(text: string, { range }: Node): number {
  const at = range?.[0] ?? 0
  return at - (text.lastIndexOf('\n', at - 1) + 1)
}

/** Undefined where the outcome is no policy. */
function spliced(
  text: string,
  [from, to]: readonly [number, number, ...number[]],
  put: string,
): Text {
  const next = text.slice(0, from) + put + text.slice(to)
  try {
    readPolicy(next)
    return next
  } catch {
    return undefined
  }
}
