/** A policy that has been read: everything checked, conditions compiled, ready to judge with. */
import { type Document, LineCounter, parseDocument } from 'yaml'
import type { Direction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { nearest, Problem } from '#contract/problem.ts'
import { type Condition, readCondition } from './condition.ts'
import type { Protection } from './order.ts'
import { type Path, type Place, placeOf } from './place.ts'
import { PolicyFile, type PolicyTest, type RuleEntry } from './policy-file.ts'
import type { Outcome } from './verdict.ts'

export type Policy = {
  readonly mode: 'enforce' | 'observe'
  /** For blocks by hand; rules have taken theirs over already. */
  readonly defaults: {
    readonly audience: readonly string[]
    readonly direction: Direction
    readonly lengthMs: number | undefined
  }
  readonly protect: readonly Protection[]
  readonly ceilings: PolicyFile['ceilings']
  readonly maxAlertAgeMs: number
  readonly maxClockAheadMs: number
  readonly rules: readonly Rule[]
  readonly tests: readonly PolicyTest[]
}

export type Rule = {
  readonly name: string
  readonly because: string
  readonly matches: Condition
  readonly verdict: Outcome
  readonly observe: boolean
  /** Of `block` and `review` rules, which end in a block. */
  readonly terms: Terms | undefined
}

export type Terms = {
  readonly lengthMs: number
  readonly audience: readonly string[]
  readonly direction: Direction
  readonly escalate: { readonly factor: number; readonly ceilingMs: number } | undefined
  /** The network that is blocked around an attacker, by family. */
  readonly prefix: { readonly 4: number; readonly 6: number }
}

/** Throws `policy_invalid`, naming the place in the text, the rule, and what to write instead. */
export function readPolicy(text: string): Policy {
  const source = parse(text)
  const file = check(source)
  refuseRepeats(source, 'rules', file.rules)
  refuseRepeats(source, 'tests', file.tests)
  const rules = file.rules.map((entry, index) => readRule(source, file, entry, index))
  refuseUnknownRules(source, file)
  return {
    mode: file.mode,
    defaults: {
      audience: file.defaults.audience,
      direction: file.defaults.direction,
      lengthMs: file.defaults.for,
    },
    protect: file.protect.map(({ address, why }) => ({ address: readAddress(address), why })),
    ceilings: file.ceilings,
    maxAlertAgeMs: file.max_alert_age,
    maxClockAheadMs: file.max_clock_ahead,
    rules,
    tests: file.tests,
  }
}

type Source = { text: string; document: Document; lines: LineCounter }

function parse(text: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const error = document.errors[0]
  if (error === undefined) return { text, document, lines }
  throw invalid(lines.linePos(error.pos[0]), `this is no YAML: ${plain(error.message)}`, {
    remedy: 'look for a missing quote, colon or indent at this place',
    cause: error,
  })
}

function check(source: Source): PolicyFile {
  const read = PolicyFile.safeParse(toValue(source))
  if (read.success) return read.data
  const issue = read.error.issues[0]
  const path = (issue?.path ?? []).filter((step) => typeof step !== 'symbol')
  const key = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const more = read.error.issues.length - 1
  const place = placeOf(source, path, key)
  throw invalid(place, `${named(source, path)}${plain(issue?.message ?? 'not understood')}`, {
    remedy: more > 0 ? `correct this; ${more} more after it` : 'correct this and load it again',
    cause: read.error,
  })
}

/** Aliases that grow without end are refused by the reader. */
function toValue({ document, lines }: Source): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw invalid(lines.linePos(0), 'the aliases of this YAML cannot be followed', {
      remedy: 'write the values out instead of using * and &',
      cause: error,
    })
  }
}

function readRule(source: Source, file: PolicyFile, entry: RuleEntry, index: number): Rule {
  const matches = readCondition(entry.when)
  if (typeof matches !== 'function') {
    const path = ['rules', index, 'when']
    const place = placeOf(source, path, undefined, { text: entry.when, at: matches.at })
    const message = `${named(source, path)}${matches.message}, at character ${matches.at + 1}`
    throw invalid(place, message, { remedy: matches.remedy })
  }
  const { name, because, verdict } = entry
  const observe = entry.observe
  return { name, because, matches, verdict, observe, terms: readTerms(source, file, entry, index) }
}

function readTerms(
  source: Source,
  file: PolicyFile,
  entry: RuleEntry,
  index: number,
): Terms | undefined {
  const refuse = (key: string, message: string, remedy: string) => {
    const path = ['rules', index, key]
    return invalid(placeOf(source, path), named(source, path) + message, { remedy })
  }
  if (entry.verdict === 'watch' || entry.verdict === 'ignore') {
    const idle = termKeys.find((key) => entry[key] !== undefined)
    if (idle === undefined) return undefined
    const remedy = 'take it out, or make the verdict block or review'
    throw refuse(idle, `a rule that says ${entry.verdict} blocks nothing`, remedy)
  }
  const lengthMs = entry.for ?? file.defaults.for
  if (lengthMs === undefined)
    throw refuse('for', `${entry.verdict} without a length`, 'write for: 4h, or set defaults.for')
  if (entry.escalate && entry.escalate.ceiling < lengthMs)
    throw refuse('escalate', 'the ceiling is shorter than the block', 'raise ceiling or lower for')
  const prefix = {
    4: entry.ipv4_prefix ?? file.ipv4_prefix,
    6: entry.ipv6_prefix ?? file.ipv6_prefix,
  }
  for (const family of [4, 6] as const) {
    const ceiling = file.ceilings[`ipv${family}_prefix`]
    if (prefix[family] >= ceiling) continue
    const message = `/${prefix[family]} is wider than the ceiling of /${ceiling}`
    throw refuse(`ipv${family}_prefix`, message, `use /${ceiling} or longer, or move the ceiling`)
  }
  return {
    lengthMs,
    audience: entry.audience ?? file.defaults.audience,
    direction: entry.direction ?? file.defaults.direction,
    escalate: entry.escalate && {
      factor: entry.escalate.factor,
      ceilingMs: entry.escalate.ceiling,
    },
    prefix,
  }
}

const termKeys = [
  'for',
  'audience',
  'direction',
  'escalate',
  'ipv4_prefix',
  'ipv6_prefix',
] as const satisfies (keyof RuleEntry)[]

function refuseRepeats(
  source: Source,
  key: 'rules' | 'tests',
  entries: readonly { name: string }[],
) {
  const names = entries.map((entry) => entry.name)
  const index = names.findIndex((name, at) => names.indexOf(name) < at)
  if (index < 0) return
  const path = [key, index, 'name']
  throw invalid(placeOf(source, path), `${named(source, path)}this name is taken already`, {
    remedy: 'give each its own name: decisions and results are told apart by it',
  })
}

function refuseUnknownRules(source: Source, file: PolicyFile): void {
  const known = file.rules.map((rule) => rule.name)
  for (const [index, { expect }] of file.tests.entries()) {
    if (typeof expect.rule !== 'string' || known.includes(expect.rule)) continue
    const path = ['tests', index, 'expect', 'rule']
    const guess = nearest(expect.rule, known)
    throw invalid(
      placeOf(source, path),
      `${named(source, path)}there is no rule "${expect.rule}"`,
      { remedy: guess ? `did you mean "${guess}"?` : `the rules are ${known.join(', ')}` },
    )
  }
}

/** `rule "web attack", when: ` for a path inside that rule; otherwise the path as it is written. */
function named({ document }: Source, path: Path): string {
  const [list, index, ...rest] = path
  const name = document.getIn([list, index, 'name'])
  if (list !== 'rules' && list !== 'tests') return path.length === 0 ? '' : `${path.join('.')}: `
  if (typeof index !== 'number') return `${list}: `
  const which = typeof name === 'string' ? `"${name}"` : `number ${index + 1}`
  const where = rest.length === 0 ? '' : `, ${rest.join('.')}`
  return `${list.slice(0, -1)} ${which}${where}: `
}

function invalid(
  place: Place,
  message: string,
  more: { remedy: string; cause?: unknown },
): Problem {
  return new Problem('policy_invalid', `line ${place.line}, column ${place.col}: ${message}`, more)
}

function plain(message: string): string {
  const text = message.replace(/\.$/, '')
  return text.startsWith('Invalid') ? text.charAt(0).toLowerCase() + text.slice(1) : text
}
