/** The functions of conditions that CEL does not have. Their literals are read while the policy is loaded. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { type Address, contains, maybeAddress } from '#contract/address.ts'
import { printDuration, readDuration } from '#contract/duration.ts'
import { isWithin, readSchedule, type Schedule, ScheduleMistake } from '#contract/schedule.ts'
import { Hidden, hidden, IntelligenceView } from './evidence.ts'
import { historyWindowMs } from './facts.ts'
import { type CountingName, countings } from './history.ts'
import { Refusal } from './mistake.ts'

/** What CEL's macros hand to us; the library types all of it as any. */
type MacroCall = { args: readonly ASTNode[] }
type Checker = {
  check: (node: ASTNode, scope: unknown) => { type: string }
  getType: (name: string) => unknown
}
type Scope = { getValue: (name: string) => unknown }
type Runner = { run: (node: ASTNode, scope: Scope) => unknown }

/** Signatures, each with the reader of its calls. */
export const macros: [signature: string, read: (call: MacroCall) => object][] = [
  ...(Object.keys(countings) as CountingName[]).map(
    (name): [string, (call: MacroCall) => object] => [
      `${name}(ast): int`,
      (call) => counting(name, call),
    ],
  ),
  ['in_network(ast, ast): bool', inNetwork],
  ['still_hitting(ast): bool', stillHitting],
  ['during(ast, ast): bool', during],
  ['listed(ast): bool', listed],
  ['intel(ast): Intelligence', intelligence],
]

export function isCounting(name: string): boolean {
  return Object.hasOwn(countings, name)
}

/** The window of a counting call, in milliseconds. */
export function readWindow(name: string, node: ASTNode | undefined): number {
  const remedy = `write a length of time in quotes, such as ${name}("10m")`
  const text = literal(node, `${name}() takes a length of time as text`, remedy)
  const windowMs = durationOf(text.value)
  if (windowMs === undefined || windowMs <= 0)
    throw new Refusal(text.node, `"${text.value}" is no length of time`, remedy)
  if (windowMs <= historyWindowMs) return windowMs
  throw new Refusal(
    text.node,
    `"${text.value}" reaches back further than the history that is kept`,
    `use at most ${printDuration(historyWindowMs)}; offences counts earlier blocks without limit`,
  )
}

/** The name in `listed("name")` or `intel("name")`. */
export function readSource(name: string, node: ASTNode | undefined): string {
  const remedy = `write ${name}("${name === 'intel' ? 'abuseipdb' : 'firehol_level1'}")`
  return literal(node, `${name}() takes the name of a source as text`, remedy).value
}

function counting(name: CountingName, { args: [argument] }: MacroCall) {
  const windowMs = readWindow(name, argument)
  return constant('int', (known) => known.history.count(name, windowMs))
}

/** Counted back from when the alert was observed, as everything is. */
function stillHitting({ args: [argument] }: MacroCall) {
  const windowMs = readWindow('still_hitting', argument)
  return constant(
    'bool',
    ({ lastHit, observed }) => lastHit !== undefined && lastHit > observed - windowMs,
  )
}

function during({ args: [when, zone] }: MacroCall) {
  const schedule = readDuring(when, zone)
  return constant('bool', (known) => isWithin(schedule, known.observed))
}

function listed({ args: [name] }: MacroCall) {
  const list = readSource('listed', name)
  return constant('bool', (known) => known.consult.listed(list))
}

function intelligence({ args: [name] }: MacroCall) {
  const provider = readSource('intel', name)
  return constant(
    'Intelligence',
    (known) => new IntelligenceView(known.consult.intelligence(provider)),
  )
}

/** A call whose arguments were read already. */
function constant(type: string, value: (known: Hidden) => unknown) {
  return {
    async: false,
    typeCheck: (checker: Checker) => checker.getType(type),
    evaluate: (_: Runner, __: unknown, scope: Scope) => value(hiddenOf(scope)),
  }
}

function inNetwork({ args: [subject, network] }: MacroCall) {
  const wanted = readNetwork(network)
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
      return address !== undefined && contains(wanted, address)
    },
  }
}

function hiddenOf(scope: Scope): Hidden {
  const value = scope.getValue(hidden)
  if (value instanceof Hidden) return value
  throw new Error('a condition was evaluated without the alert')
}

function readDuring(when: ASTNode | undefined, zone: ASTNode | undefined): Schedule {
  const remedy = 'write during("mon-fri 22:00-06:00", "Europe/Berlin")'
  const times = literal(when, 'during() takes times of the week as text', remedy)
  const place = literal(zone, 'during() takes the name of a time zone as text', remedy)
  try {
    return readSchedule(times.value, place.value)
  } catch (error) {
    if (error instanceof ScheduleMistake) throw new Refusal(times.node, error.message, remedy)
    throw error
  }
}

function readNetwork(node: ASTNode | undefined): Address {
  const remedy =
    'write an address and a network in quotes: in_network(alert.attacker, "192.0.2.0/24")'
  const text = literal(node, 'in_network() takes a network as text', remedy)
  const network = maybeAddress(text.value)
  if (network) return network
  throw new Refusal(text.node, `"${text.value}" is no network`, remedy)
}

function literal(node: ASTNode | undefined, message: string, remedy: string) {
  if (node?.op === 'value' && typeof node.args === 'string') return { node, value: node.args }
  throw new Refusal(node ?? { start: 0 }, message, remedy)
}

function durationOf(text: string): number | undefined {
  try {
    return readDuration(text)
  } catch {
    return undefined
  }
}
