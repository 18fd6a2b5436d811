/** What only iptables-nft has: chains of the kernel's that are printed without being there, and tables that can go again. */
import type { Family } from './iptables-program.ts'
import { type Emptied, isInUse, mayBeAbsent, readSaved } from './iptables-script.ts'
import { isForbidden, type Variant } from './iptables-variant.ts'
import type { Ended } from './program.ts'

export type NftTables = {
  /** What was saved, without those chains of the kernel's that are only printed. */
  there(family: Family, saved: string): Promise<string>
  /** Whether it is gone. What others have put something into meanwhile stays. */
  drop(family: Family, empty: Emptied): Promise<boolean>
}

export type Asked = {
  /** Any program. */
  run(name: string, words: readonly string[]): Promise<Ended>
  variant(): Promise<Variant>
  save(family: Family): Promise<string>
  restore(family: Family, script: string, words?: readonly string[]): Promise<Ended>
}

/** Its own programs do without nft, but for chains of the kernel's only from 1.8.8 on. Of the legacy variant nothing can go. */
export function nftTables({ run, variant, save, restore }: Asked): NftTables {
  let allowed = true
  const askNft = async (
    family: Family,
    words: readonly [verb: string, what: string, ...string[]],
  ) => {
    const [verb, what, ...named] = words
    if (!allowed) return undefined
    try {
      const { code, output } = await run('nft', [verb, what, family === 4 ? 'ip' : 'ip6', ...named])
      return code === 0 ? output : undefined
    } catch (error) {
      // Each refusal stands in the log of that host: it is not asked again with each change.
      allowed = !isForbidden(error)
      return undefined
    }
  }

  const isAbsent = async (family: Family, table: string, hook: string) => {
    // No chain has so many rules that one goes by this: it is refused, and the reason is another where there is no chain.
    const script = `*${table}\n-D ${hook} 2147483647\nCOMMIT\n`
    const { errors } = await restore(family, script)
    return errors.includes('No chain/target/match by that name')
  }

  const dropTable = async (family: Family, table: string) => {
    const look = async () => readSaved(await save(family)).get(table)
    const found = await look()
    // Either way would take out with it what is in it: it is looked at right before.
    if (!found || isInUse(found)) return !found
    if ((await askNft(family, ['delete', 'table', table])) !== undefined) return true
    await restore(family, `*${table}\nCOMMIT\n`, [])
    return (await look()) === undefined
  }

  return {
    async there(family, saved) {
      const { kind, dropsHooks } = await variant()
      if (kind !== 'nft') return saved
      const listed = await askNft(family, ['list', 'chains'])
      if (listed !== undefined) return only(saved, listedIn(listed))
      const absent = new Set<string>()
      if (dropsHooks)
        for (const [table, hook] of mayBeAbsent(readSaved(saved)))
          if (await isAbsent(family, table, hook)) absent.add(`${table} ${hook}`)
      return only(saved, { has: (hook) => !absent.has(hook) })
    },

    async drop(family, { table, hook }) {
      if ((await variant()).kind !== 'nft') return false
      if (hook === undefined) return dropTable(family, table)
      // A chain with a rule in it is refused by either.
      if ((await askNft(family, ['delete', 'chain', table, hook])) !== undefined) return true
      return (await restore(family, `*${table}\n-X ${hook}\nCOMMIT\n`)).code === 0
    },
  }
}

/** `table ip raw {` and `chain OUTPUT {` in what nft lists, as `raw OUTPUT`. */
function listedIn(chains: string): Set<string> {
  const there = new Set<string>()
  let table = ''
  for (const [, kind, name = ''] of chains.matchAll(/^\s*(table \w+|chain) (\S+) \{/gm))
    if (kind === 'chain') there.add(`${table} ${name}`)
    else table = name
  return there
}

function only(saved: string, there: Pick<ReadonlySet<string>, 'has'>): string {
  let table = ''
  const isThere = (line: string) => {
    if (line.startsWith('*')) table = line.slice(1)
    const [, hook] = /^:(\S+) (?!-)/.exec(line) ?? []
    return hook === undefined || there.has(`${table} ${hook}`)
  }
  return saved.split('\n').filter(isThere).join('\n')
}
