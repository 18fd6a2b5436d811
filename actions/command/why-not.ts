/** The part of a rule's condition that is false, for explaining why the rule did not decide. */
import { readCondition } from '../decide/condition.ts'
import type { Evidence } from '../decide/evidence.ts'

/** Of an `and` the first false part; of an `or` that of each side. Never longer than the condition. */
export function whyNot(when: string, evidence: Evidence): string {
  return falseParts(when, evidence).join(', ')
}

function falseParts(text: string, evidence: Evidence): string[] {
  const bare = withoutParentheses(text.trim().replace(/\s+/g, ' '))
  const sides = splitOutside(bare, '||')
  if (sides.length > 1) return sides.flatMap((side) => falseParts(side, evidence))
  const parts = splitOutside(bare, '&&')
  if (parts.length === 1) return [bare]
  const first = parts.find((part) => !holds(part, evidence))
  return first === undefined ? [bare] : falseParts(first, evidence)
}

function holds(part: string, evidence: Evidence): boolean {
  const condition = readCondition(part)
  if ('at' in condition) return false
  try {
    return condition.matches(evidence)
  } catch {
    // What cannot be evaluated alone is not what held.
    return false
  }
}

/** Cuts where the operator stands outside of quotes and brackets. */
function splitOutside(text: string, operator: '||' | '&&'): string[] {
  const parts: string[] = []
  let [depth, from, quote] = [0, 0, '']
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if (quote !== '') {
      if (char === '\\') at++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if ('([{'.includes(char)) depth++
    else if (')]}'.includes(char)) depth--
    else if (depth === 0 && text.startsWith(operator, at)) {
      parts.push(text.slice(from, at).trim())
      from = at + operator.length
      at++
    }
  }
  return [...parts, text.slice(from).trim()]
}

/** `(a || b)` is `a || b`; `(a) || (b)` stays. */
function withoutParentheses(text: string): string {
  if (!text.startsWith('(') || !text.endsWith(')')) return text
  let depth = 0
  for (let at = 0; at < text.length - 1; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')') depth--
    if (depth === 0) return text
  }
  return withoutParentheses(text.slice(1, -1).trim())
}
