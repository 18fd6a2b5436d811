/** Templates: `{{name}}` becomes the value of a setting, escaped for what it stands in. */
import { Problem } from '#contract/problem.ts'
import type { Kind } from './manifest-file.ts'

export type Values = Readonly<Record<string, string>>

const placeholder = /\{\{([a-z][a-z0-9_]*)\}\}/g

/** Throws `setting_invalid` for a value that cannot stand there. A name that is no setting stays as it is: the host may have templates of its own. */
export function render(text: string, kind: Kind, values: Values): string {
  return text.replace(placeholder, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    return value === undefined ? whole : escapers[kind](value, name)
  })
}

/** Names in `{{…}}`, whether or not they are settings. */
export function namesIn(text: string): string[] {
  return [...new Set([...text.matchAll(placeholder)].map(([, name]) => name ?? ''))]
}

export function kindOf(from: string): Kind {
  const ending = /\.(\w+)$/.exec(from)?.[1] ?? ''
  return Object.hasOwn(byEnding, ending) ? (byEnding[ending] ?? 'plain') : 'plain'
}

const byEnding: Readonly<Record<string, Kind>> = {
  xml: 'xml',
  json: 'json',
  ndjson: 'json',
  yaml: 'yaml',
  yml: 'yaml',
  sh: 'shell',
}

const escapers: Readonly<Record<Kind, (value: string, name: string) => string>> = {
  xml: (value, name) => {
    // Refused and not escaped: not every reader that calls its language XML knows entities; Wazuh's does not.
    const wrong = /[<>&"']/.exec(value)?.[0]
    if (wrong !== undefined) throw cannotStand(name, wrong, 'XML')
    return value
  },
  json: quoted,
  yaml: quoted,
  shell: (value) => value.replaceAll("'", "'\\''"),
  plain: (value) => value,
}

function quoted(value: string): string {
  return JSON.stringify(value).slice(1, -1)
}

function cannotStand(name: string, character: string, where: string): Problem {
  return new Problem('setting_invalid', `setting ${name}: ${character} cannot stand in ${where}`, {
    remedy: `give a value without ${character}: --set ${name}=VALUE`,
  })
}
