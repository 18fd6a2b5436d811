/** Changes of the text of a policy, with everything beside them left as it is written. Pure. */
import { isMap, isScalar, isSeq, stringify } from 'yaml'
import { Problem } from '#contract/problem.ts'
import { isNarrow } from './measure.ts'
import { readPolicy, type Terms } from './policy.ts'
import { readSource, type Source } from './policy-source.ts'

/** A rule as it is written, its keys in this order. */
export type WrittenRule = Readonly<Record<string, string | number | readonly string[] | object>>

/** What a rule does to which traffic, as a rule of its own says it; with the verdict by which it comes to be done. */
export function writtenMeasure(
  { measure, scope }: Terms,
  verdict: 'block' | 'review',
): WrittenRule {
  const { action } = measure
  return {
    verdict: verdict === 'block' ? action : verdict,
    ...(isNarrow({ scope }) && { scope }),
    ...(action === 'block' && measure.response && { response: measure.response }),
    ...(action === 'limit' && { rate: measure.rate }),
  }
}

/** The rule of this name gets another verdict. Throws `conflict` when there is none. */
export function withVerdict(text: string, rule: string, verdict: string): string {
  const source = readSource(text)
  const at = ruleIndex(source, rule)
  const node = source.document.getIn(['rules', at, 'verdict'], true)
  if (!isScalar(node) || !node.range) throw notThere(rule)
  return checked(splice(text, node.range[0], node.range[1], verdict))
}

/** A new rule, tried before the one of this name. Throws `conflict` when there is none. */
export function withRuleBefore(text: string, rule: string, written: WrittenRule): string {
  const source = readSource(text)
  const at = ruleIndex(source, rule)
  const rules = source.document.get('rules')
  const item = isSeq(rules) ? rules.items[at] : undefined
  const start = isMap(item) && item.range ? lineStart(text, item.range[0]) : -1
  const indent = /^( *)- +$/.exec(text.slice(start, isMap(item) ? item.range?.[0] : start))?.[1]
  if (start < 0 || indent === undefined) {
    if (isSeq(rules)) rules.items.splice(at, 0, source.document.createNode(written))
    return checked(rewritten(source))
  }
  const block = stringify([written], { lineWidth: 0, flowCollectionPadding: false })
  const place = aboveComments(text, start)
  const apart = text.slice(0, place).endsWith('\n\n') ? '\n' : ''
  return checked(splice(text, place, place, indented(block, indent) + apart))
}

/** One more network that is never blocked. */
export function withProtected(text: string, address: string, why: string): string {
  const source = readSource(text)
  const entry = stringify({ address, why }, { collectionStyle: 'flow', lineWidth: 0 }).trim()
  const list = source.document.get('protect')
  if (!isSeq(list) || !list.range) return checked(withList(source, entry))
  const last = list.items.at(-1)
  if (list.flow === true) {
    const end = list.range[1] - 1
    const before = text.slice(list.range[0], end).trimEnd()
    const comma = /[[,]$/.test(before) ? '' : ', '
    const from = list.range[0] + before.length
    return checked(splice(text, from, end, `${comma}${entry}`))
  }
  const range = isMap(last) || isScalar(last) ? last.range : undefined
  const start = range ? lineStart(text, range[0]) : 0
  const indent = range && /^( *)- +/.exec(text.slice(start, range[0]))?.[1]
  if (!range || indent === undefined) {
    source.document.addIn(['protect'], { address, why })
    return checked(rewritten(source))
  }
  // The content of a block may reach to the end of its line, or into the next.
  const content = range[0] + text.slice(range[0], range[1]).trimEnd().length
  const end = lineEnd(text, content)
  return checked(
    splice(text, end, end, `${text[end - 1] === '\n' ? '' : '\n'}${indent}- ${entry}\n`),
  )
}

/** A policy that has no list of what it protects gets one before its rules. */
function withList({ text, document }: Source, entry: string): string {
  const rules = document.contents
  const pair = isMap(rules)
    ? rules.items.find(({ key }) => isScalar(key) && key.value === 'rules')
    : undefined
  const key = pair && isScalar(pair.key) ? pair.key.range?.[0] : undefined
  if (key === undefined) throw notEditable()
  const place = aboveComments(text, lineStart(text, key))
  return splice(text, place, place, `protect:\n  - ${entry}\n\n`)
}

function ruleIndex({ document }: Source, rule: string): number {
  const rules = document.get('rules')
  const at = isSeq(rules)
    ? rules.items.findIndex((item) => isMap(item) && item.get('name') === rule)
    : -1
  if (at < 0) throw notThere(rule)
  return at
}

/** What comes out must be a policy. */
function checked(text: string): string {
  readPolicy(text)
  return text
}

/** Where the list is not written line by line, the whole text is written anew; its comments stay. */
function rewritten({ document }: Source): string {
  return document.toString({ lineWidth: 0 })
}

function splice(text: string, from: number, to: number, put: string): string {
  return text.slice(0, from) + put + text.slice(to)
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1
}

/** After the line break, or at the end of the text. */
function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}

/** Comments right above a line belong to what stands there. */
function aboveComments(text: string, line: number): number {
  const before = lineStart(text, line - 1)
  const isComment = line > 0 && /^\s*#/.test(text.slice(before, line))
  return isComment ? aboveComments(text, before) : line
}

function indented(block: string, indent: string): string {
  return block.replace(/^(?=.)/gm, indent)
}

function notThere(rule: string): Problem {
  return new Problem('conflict', `the policy has no rule "${rule}" any more`, {
    remedy: '"cordon policy show" shows the one in force',
  })
}

function notEditable(): Problem {
  return new Problem('conflict', 'the policy is written in a way that is not changed by itself', {
    remedy: 'add the entry to protect by hand',
  })
}
