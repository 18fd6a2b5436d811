/** Tables and chains as they are and as they should be, and the script of `iptables-restore` between the two. Pure. */
import type { Table, TableName, Tables } from './iptables-rules.ts'

/** What `iptables-save` showed of one table. */
type SavedTable = { chains: string[]; rules: string[]; policies: string[] }
export type Saved = ReadonlyMap<string, SavedTable>

/**
 * Says that the table was not there before the first rule of Cordon came, so that it can go with the last one. It is a
 * chain with no rules and no way to it.
 */
export const madeHere = 'CORDON_MADE_TABLE'

export function isOwnChain(chain: string): boolean {
  return chain.startsWith('CORDON_')
}

export function readSaved(text: string): Saved {
  const tables = new Map<string, SavedTable>()
  let table: SavedTable | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = { chains: [], rules: [], policies: [] }
      tables.set(line.slice(1), table)
    }
    const [, chain, policy] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (chain !== undefined && policy === '-') table?.chains.push(chain)
    else if (chain !== undefined) table?.policies.push(`${chain} ${policy}`)
    if (line.startsWith('-A ')) table?.rules.push(line)
  }
  return tables
}

/** What of the tables is ours, in one text that is the same as long as nobody changes it. */
export function ownParts(saved: Saved): string {
  return [...saved]
    .flatMap(([name, { chains, rules }]) => [
      ...chains.filter(isOwnChain).map((chain) => `${name} ${chain}`),
      ...rules.filter((rule) => isOwnRule(rule) || isJump(rule)).map((rule) => `${name} ${rule}`),
    ])
    .sort()
    .join('\n')
}

/**
 * Writes chains and jumps anew, each jump once and at the head of its chain. A chain of ours that is not `kept` and not
 * in the tables goes.
 */
export function writeTables(
  saved: Saved,
  tables: Tables,
  kept: (table: string, chain: string) => boolean,
): string {
  const names: TableName[] = ['raw', 'mangle', 'filter']
  return names
    .map((name) => writeTable(name, saved.get(name), tables[name] ?? nothing, kept))
    .join('')
}

const nothing: Table = { chains: {}, jumps: [] }

function writeTable(
  name: TableName,
  saved: SavedTable | undefined,
  table: Table,
  kept: (table: string, chain: string) => boolean,
): string {
  const wanted = Object.entries(table.chains)
  const found = saved?.chains.filter(isOwnChain) ?? []
  const gone = found.filter(
    (chain) => !(chain in table.chains) && chain !== madeHere && !kept(name, chain),
  )
  const jumps = saved?.rules.filter(isJump) ?? []
  const stale = jumps.filter((rule) => {
    const [, from = '', to = ''] = /^-A (\S+) .*-j (\S+)/.exec(rule) ?? []
    return gone.includes(to) || table.jumps.some(([chain]) => chain === from)
  })
  if (wanted.length + gone.length + stale.length === 0) return ''
  return [
    `*${name}`,
    ...(saved ? [] : [`:${madeHere} - [0:0]`]),
    ...[...wanted.map(([chain]) => chain), ...gone].map((chain) => `:${chain} - [0:0]`),
    ...stale.map((rule) => rule.replace('-A', '-D')),
    ...[...table.jumps].map(([chain, rule]) => `-I ${chain} ${rule}`),
    ...wanted.flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    ...gone.map((chain) => `-X ${chain}`),
    'COMMIT',
    '',
  ].join('\n')
}

/** Takes out all that is ours; what is named was not there before us and is empty then. */
export function removeTables(saved: Saved): { script: string; empty: string[] } {
  const all = [...saved].filter(([, { chains }]) => chains.some(isOwnChain))
  const script = all.map(([name, { chains, rules }]) =>
    [
      `*${name}`,
      ...chains.filter(isOwnChain).map((chain) => `:${chain} - [0:0]`),
      ...rules.filter(isJump).map((rule) => rule.replace('-A', '-D')),
      ...chains.filter(isOwnChain).map((chain) => `-X ${chain}`),
      'COMMIT',
      '',
    ].join('\n'),
  )
  return { script: script.join(''), empty: all.filter(becomesEmpty).map(([name]) => name) }
}

function becomesEmpty([, { chains, rules, policies }]: [string, SavedTable]): boolean {
  return (
    chains.includes(madeHere) &&
    chains.every(isOwnChain) &&
    rules.every((rule) => isJump(rule) || isOwnRule(rule)) &&
    policies.every((policy) => policy.endsWith(' ACCEPT'))
  )
}

function isOwnRule(rule: string): boolean {
  return /^-A CORDON_/.test(rule)
}

/** From a chain that is not ours to one that is. */
function isJump(rule: string): boolean {
  return !isOwnRule(rule) && /-[jg] CORDON_\w+$/.test(rule)
}
