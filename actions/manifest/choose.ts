/** Which parts are installed, and with which values: what was asked for, then what was recorded, then the default. */
import { nearest, Problem } from '#contract/problem.ts'
import { isAbsolute, type PartEntry, pathsOf, type SettingEntry } from './manifest-file.ts'
import type { Manifest } from './read-manifests.ts'
import type { Values } from './render.ts'

const control = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/

/** `asked` are words such as `url=https://cordon.example:8055`. Throws `usage` for one without `=` and a name that is given twice. */
export function readSets(asked: readonly string[]): Values {
  const given = new Map<string, string>()
  for (const word of asked) {
    const at = word.indexOf('=')
    const name = word.slice(0, at)
    if (at < 1) throw notASetting(word, 'is no name=value')
    if (given.has(name)) throw notASetting(name, 'is set twice')
    given.set(name, word.slice(at + 1))
  }
  return Object.fromEntries(given)
}

/** Only what is `used` is missed. Throws `setting_unknown` with the nearest known one, `setting_invalid` for what is missing or cannot be. */
export function chooseValues(
  { host, file }: Manifest,
  used: ReadonlySet<string>,
  given: Values,
  recorded: Values,
): Values {
  const known = Object.keys(file.settings)
  for (const name of Object.keys(given)) if (!known.includes(name)) throw unknown(host, name, known)
  const entries = Object.entries(file.settings).flatMap(([name, setting]) => {
    const value = own(given, name) ?? own(recorded, name) ?? setting.default
    if (value !== undefined) return [[name, checked(name, value, setting)] as const]
    if (used.has(name)) throw missing(name, setting)
    return []
  })
  return Object.fromEntries(entries)
}

/** All that was asked for and is there already; without either the only part, or all that are but files to import. */
export function chooseParts(
  { host, file }: Manifest,
  asked: readonly string[],
  recorded: readonly string[],
): string[] {
  const known = Object.keys(file.parts)
  const strange = asked.find((name) => !known.includes(name))
  if (strange !== undefined) throw unknownPart(host, strange, known)
  const wanted = new Set([...asked, ...recorded])
  const chosen = known.filter((name) => wanted.has(name))
  if (chosen.length > 0) return chosen
  if (known.length === 1 || !Object.values(file.parts).some(isForMachine)) return known
  throw new Problem('usage', `${host} has several parts: ${known.join(', ')}`, {
    remedy: `name what belongs on this machine, such as --part ${known[0]}`,
  })
}

/** Whether it is written to its place on a machine, not into a folder to import from. */
export function isForMachine(part: PartEntry): boolean {
  return pathsOf(part).some(isAbsolute)
}

function checked(name: string, value: string, { pattern, example }: SettingEntry): string {
  const say = example === undefined ? '' : `, such as ${name}=${example}`
  if (control.test(value))
    throw invalid(name, 'holds a line end or another control character', 'write it on one line')
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`, 'u').test(value))
    throw invalid(name, `"${value}" is not of the form ${pattern}`, `give another value${say}`)
  return value
}

function own(values: Values, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

function missing(name: string, { description, example = '…' }: SettingEntry): Problem {
  const remedy = `give it: --set ${name}=${example}`
  return new Problem('setting_invalid', `setting ${name} is missing: ${description}`, { remedy })
}

function invalid(name: string, what: string, remedy: string): Problem {
  return new Problem('setting_invalid', `setting ${name}: ${what}`, { remedy })
}

function unknown(host: string, name: string, known: readonly string[]): Problem {
  const guess = nearest(name, known)
  const all = known.length === 0 ? 'it has none' : `there are ${known.join(', ')}`
  return new Problem('setting_unknown', `${host} has no setting ${name}`, {
    remedy: guess ? `did you mean ${guess}?` : all,
  })
}

function unknownPart(host: string, name: string, known: readonly string[]): Problem {
  const guess = nearest(name, known)
  return new Problem('usage', `${host} has no part ${name}`, {
    remedy: guess ? `did you mean ${guess}?` : `there are ${known.join(', ')}`,
  })
}

function notASetting(word: string, why: string): Problem {
  return new Problem('usage', `--set: "${word}" ${why}`, {
    remedy: 'write --set name=value, such as --set url=https://cordon.example:8055',
  })
}
