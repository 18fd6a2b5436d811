/** Tables and chains as they are and as they should be, and the script of `iptables-restore` between the two. Pure. */
import type { Table, TableName, Tables } from './iptables-rules.ts'

/** What `iptables-save` showed of one table. */
export type SavedTable = { chains: string[]; rules: string[]; policies: string[] }
export type Saved = ReadonlyMap<string, SavedTable>

/**
 * Says that the table was not there before the first rule of Cordon came, so that it can go with the last one, of whatever
 * part of Cordon either is. It is a chain with no rules and no way to it.
 */
export const madeHere = 'CORDON_MADE_TABLE'

/** As `madeHere`, of a chain of the kernel's in a table that was there without it: iptables-nft makes it for the first rule. */
const madeHook = (hook: string) => `CORDON_MADE_${hook}`

export const isMade = (chain: string) => chain.startsWith('CORDON_MADE_')

/** Which chains a part of Cordon answers for: the others it leaves alone. */
export type Owner = (chain: string) => boolean

/** Those of blocks. */
export const isOwnChain: Owner = (chain) => isAnyOwnChain(chain) && !isPostureChain(chain)

export const isPostureChain: Owner = (chain) => chain.startsWith('CORDON_POSTURE_')

export const isAnyOwnChain: Owner = (chain) => chain.startsWith('CORDON_')

export const isSensorChain: Owner = (chain) => chain.startsWith('CORDON-SENSOR')

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
export function ownParts(saved: Saved, owns: Owner = isOwnChain): string {
  const isOurs = (rule: string) => isOwnRule(rule, owns) || isJump(rule, owns)
  return [...saved]
    .flatMap(([name, { chains, rules }]) => [
      ...chains.filter((chain) => owns(chain) && !isMade(chain)).map((chain) => `${name} ${chain}`),
      ...rules.filter(isOurs).map((rule) => `${name} ${rule}`),
    ])
    .sort()
    .join('\n')
}

/** What is ours as it would be written again. */
export function ownTables(saved: Saved, owns: Owner): Tables {
  return Object.fromEntries(
    [...saved].flatMap(([name, { chains, rules }]) => {
      const own = chains.filter(owns)
      if (own.length === 0) return []
      const split = rules.map((rule) => /^-A (\S+) (.*)$/.exec(rule) ?? [])
      const table: Table = {
        chains: Object.fromEntries(
          own.map((chain) => [
            chain,
            split.flatMap(([, from, rule = '']) => (from === chain ? [rule] : [])),
          ]),
        ),
        jumps: rules
          .filter((rule) => isJump(rule, owns))
          .map((rule) => /^-A (\S+) (.*)$/.exec(rule) ?? [])
          .map(([, from = '', rule = '']) => [from, rule] as const),
      }
      return [[name, table]]
    }),
  )
}

const allTables: readonly TableName[] = ['raw', 'mangle', 'filter']

type How = {
  /** Each table is changed at once, and one after the other. */
  order?: readonly TableName[]
  owns?: Owner
}

/**
 * Writes chains and jumps anew, each jump once and at the head of its chain. A chain of ours that is not `kept` and not
 * in the tables goes.
 */
export function writeTables(
  saved: Saved,
  tables: Tables,
  kept: (table: string, chain: string) => boolean,
  { order = allTables, owns = isOwnChain }: How = {},
): string {
  return order
    .map((name) => writeTable(name, saved.get(name), tables[name] ?? nothing, kept, owns))
    .join('')
}

const nothing: Table = { chains: {}, jumps: [] }

function writeTable(
  name: TableName,
  saved: SavedTable | undefined,
  table: Table,
  kept: (table: string, chain: string) => boolean,
  owns: Owner,
): string {
  const wanted = Object.entries(table.chains)
  const found = saved?.chains.filter(owns) ?? []
  const gone = found.filter(
    (chain) => !(chain in table.chains) && !isMade(chain) && !kept(name, chain),
  )
  const jumps = saved?.rules.filter((rule) => isJump(rule, owns)) ?? []
  const stale = jumps.filter((rule) => {
    const [, from = '', to = ''] = /^-A (\S+) .*-j (\S+)/.exec(rule) ?? []
    return gone.includes(to) || table.jumps.some(([chain]) => chain === from)
  })
  if (wanted.length + gone.length + stale.length === 0) return ''
  return [
    `*${name}`,
    ...marksOf(saved, hooksOf(table)).map((chain) => `:${chain} - [0:0]`),
    ...[...wanted.map(([chain]) => chain), ...gone].map((chain) => `:${chain} - [0:0]`),
    ...stale.map((rule) => rule.replace('-A', '-D')),
    ...[...table.jumps].map(([chain, rule]) => `-I ${chain} ${rule}`),
    ...wanted.flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    ...gone.map((chain) => `-X ${chain}`),
    'COMMIT',
    '',
  ].join('\n')
}

/** The chains of the kernel's from which we jump. */
const hooksOf = ({ jumps }: Table) => [...new Set(jumps.map(([hook]) => hook))]

/** What says that the table was not there before, or which of these chains of the kernel's were not. */
export function marksOf(saved: SavedTable | undefined, hooks: readonly string[]): string[] {
  if (!saved) return [madeHere]
  const isThere = (hook: string) => saved.policies.some((policy) => policy.startsWith(`${hook} `))
  return hooks.filter((hook) => !isThere(hook)).map(madeHook)
}

export const markTable = (table: string) => `*${table}\n:${madeHere} - [0:0]\nCOMMIT\n`

/** What is to be taken out after the script: tables, and chains of the kernel's in them, that were not there before Cordon. */
export type Emptied = { table: string; hook?: string }

/** Takes out all that is ours; what is named was not there before Cordon and is empty then. */
export function removeTables(saved: Saved, owns: Owner): { script: string; empty: Emptied[] } {
  const all = [...saved].filter(([, { chains }]) => chains.some(owns))
  const script = all.map(([name, table]) => {
    const going = goingOf(table, owns)
    return [
      `*${name}`,
      ...going.map((chain) => `:${chain} - [0:0]`),
      ...table.rules.filter((rule) => isJump(rule, owns)).map((rule) => rule.replace('-A', '-D')),
      ...going.map((chain) => `-X ${chain}`),
      'COMMIT',
      '',
    ].join('\n')
  })
  const empty = all.flatMap(([table, saved]): Emptied[] =>
    becomesEmpty(saved, owns)
      ? [{ table }]
      : emptiedHooks(saved, owns).map((hook) => ({ table, hook })),
  )
  return { script: script.join(''), empty }
}

function emptiedHooks(table: SavedTable, owns: Owner): string[] {
  const going = goingOf(table, owns)
  return table.policies.flatMap((policy) => {
    const [hook = '', what] = policy.split(' ')
    const stays = what !== 'ACCEPT' || isUsed(table, hook, owns)
    return going.includes(madeHook(hook)) && !stays ? [hook] : []
  })
}

/** By others, or by another part of Cordon. */
function isUsed({ rules }: SavedTable, hook: string, owns: Owner): boolean {
  return rules.some((rule) => rule.startsWith(`-A ${hook} `) && !isJump(rule, owns))
}

/** What was made here is known as long as it stays for anything of Cordon. */
function goingOf(table: SavedTable, owns: Owner): string[] {
  const { chains, policies } = table
  const others = (chain: string) => isAnyOwnChain(chain) || isSensorChain(chain)
  const last = chains.every((chain) => owns(chain) || isMade(chain) || !others(chain))
  const hooks = policies.map((policy) => policy.split(' ')[0] ?? '')
  const unused = hooks.filter((hook) => !isUsed(table, hook, owns)).map(madeHook)
  return chains.filter((chain) => (isMade(chain) ? last || unused.includes(chain) : owns(chain)))
}

/** Whether anything is in it. */
export function isInUse({ chains, rules, policies }: SavedTable): boolean {
  return chains.length + rules.length > 0 || !policies.every((policy) => policy.endsWith(' ACCEPT'))
}

/** Chains of the kernel's that may be printed without being there, in tables that were there before Cordon. */
export function mayBeAbsent(saved: Saved): (readonly [table: string, hook: string])[] {
  return allTables.flatMap((name) => {
    const table = saved.get(name)
    if (!table || table.chains.includes(madeHere)) return []
    return table.policies.flatMap((policy) => {
      const [hook = '', what] = policy.split(' ')
      const isFilled = table.rules.some((rule) => rule.startsWith(`-A ${hook} `))
      return what === 'ACCEPT' && !isFilled ? [[name, hook] as const] : []
    })
  })
}

function becomesEmpty(table: SavedTable, owns: Owner): boolean {
  const { chains, rules, policies } = table
  return (
    chains.includes(madeHere) &&
    goingOf(table, owns).length === chains.length &&
    rules.every((rule) => isJump(rule, owns) || isOwnRule(rule, owns)) &&
    policies.every((policy) => policy.endsWith(' ACCEPT'))
  )
}

function isOwnRule(rule: string, owns: Owner): boolean {
  return owns(/^-A (\S+)/.exec(rule)?.[1] ?? '')
}

/** From a chain that is not ours to one that is. */
function isJump(rule: string, owns: Owner): boolean {
  return !isOwnRule(rule, owns) && owns(/-[jg] ([\w-]+)$/.exec(rule)?.[1] ?? '')
}
