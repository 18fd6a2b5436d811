/** The iptables programs of both families, in whichever variant this host has. */
import { existsSync } from 'node:fs'
import { Problem, toProblem } from '#contract/problem.ts'
import { type Ended, runProgram } from './program.ts'
import { noPrivilegeRemedy } from './refusal.ts'

export type Family = 4 | 6
export type Iptables = {
  /** Without IPv6 in the kernel there is nothing to filter in it. */
  readonly families: readonly Family[]
  /** Tables and chains that are there, as `iptables-save` prints them. Makes none. */
  save(family: Family): Promise<string>
  /** As `save`, without those chains of the kernel's that are only printed: iptables-nft makes them for their first rule. */
  saveThere(family: Family): Promise<string>
  /**
   * Each table of the script is one transaction; other chains than the named ones stay. Throws `firewall_missing`,
   * `no_privilege`, `kernel_refused`.
   */
  restore(family: Family, script: string): Promise<void>
  /**
   * Takes away a table that is empty, or a chain of the kernel's in it, where they can be taken away. Best effort: an empty
   * one filters nothing.
   */
  dropTable(family: Family, table: string, hook?: string): Promise<void>
}

/** Seconds that another program may hold the lock of xtables. */
const lock = ['-w', '10']

/** How a program of this name is started, wherever it is. */
type Start = (name: string, words: readonly string[], input: string) => Promise<Ended>

/** `variant` as in `iptables-legacy-restore`; without it what the host uses. */
export function iptablesProgram(variant: '' | '-legacy' | '-nft' = ''): Iptables {
  const families: Family[] = existsSync('/proc/net/if_inet6') ? [4, 6] : [4]
  return iptablesBy(runProgram, families, variant)
}

export function iptablesBy(
  run: Start,
  families: readonly Family[],
  variant: '' | '-legacy' | '-nft' = '',
): Iptables {
  const program = (family: Family, verb: string) =>
    `${family === 4 ? 'iptables' : 'ip6tables'}${variant}${verb}`
  const start = async (name: string, words: readonly string[], input = '') => {
    try {
      return await run(name, words, input)
    } catch (error) {
      throw error instanceof Problem ? error : missing(name, error)
    }
  }
  const save = async (family: Family) => {
    const ended = await start(program(family, '-save'), [])
    if (ended.code !== 0) throw failed(ended)
    return ended.output
  }
  let byNft: Promise<boolean> | undefined
  // The legacy variant's tables are not those that nft sees, which may be somebody's.
  const isByNft = () => {
    byNft ??= start(program(4, ''), ['--version']).then(
      ({ output }) => output.includes('nf_tables'),
      (error: unknown) => {
        if (!isForbidden(error)) byNft = undefined
        return false
      },
    )
    return byNft
  }
  /** Best effort: without it a chain of the kernel's that is empty may stay. */
  const askNft = (family: Family, verb: string, what: string, words: readonly string[]) =>
    run('nft', [verb, what, family === 4 ? 'ip' : 'ip6', ...words], '').catch((error: unknown) => {
      // Each refusal stands in the log of that host: it is not asked again with each change.
      if (isForbidden(error)) byNft = Promise.resolve(false)
      return undefined
    })
  return {
    families,
    save,
    async saveThere(family) {
      const saved = await save(family)
      if (!(await isByNft())) return saved
      const found = await askNft(family, 'list', 'chains', [])
      return found?.code === 0 ? onlyThere(saved, found.output) : saved
    },
    async restore(family, script) {
      const ended = await start(program(family, '-restore'), [...lock, '--noflush'], script)
      if (ended.code !== 0) throw failed(ended)
    },
    async dropTable(family, table, hook) {
      if (!(await isByNft())) return
      if (hook === undefined) await askNft(family, 'delete', 'table', [table])
      else await askNft(family, 'delete', 'chain', [table, hook])
    },
  }
}

/** Where this user may run other programs as root, but not that one, or it is not there. */
function isForbidden(error: unknown): boolean {
  const { code } = toProblem(error)
  return code === 'no_privilege' || code === 'firewall_missing'
}

/** `table ip raw {` and `chain OUTPUT {` in what nft lists. */
function onlyThere(saved: string, chains: string): string {
  const there = new Set<string>()
  let table = ''
  for (const [, kind, name = ''] of chains.matchAll(/^\s*(table \w+|chain) (\S+) \{/gm))
    if (kind === 'chain') there.add(`${table} ${name}`)
    else table = name
  const isThere = (line: string) => {
    if (line.startsWith('*')) table = line.slice(1)
    const [, hook] = /^:(\S+) (?!-)/.exec(line) ?? []
    return hook === undefined || there.has(`${table} ${hook}`)
  }
  return saved.split('\n').filter(isThere).join('\n')
}

function missing(name: string, error: unknown): Problem {
  return new Problem('firewall_missing', `the ${name} program cannot be started`, {
    remedy:
      'install the package iptables (apt install iptables, dnf install iptables), or nftables',
    cause: error,
  })
}

function failed({ errors }: Ended): Problem {
  const cause = new Error(errors.slice(0, 2_000))
  if (/Operation not permitted|Permission denied|must be root/.test(errors))
    return new Problem('no_privilege', 'iptables may not change the firewall', {
      remedy: noPrivilegeRemedy,
      cause,
    })
  const said = errors.split('\n').find((line) => line !== '' && !line.startsWith('#')) ?? ''
  return new Problem('kernel_refused', `iptables was refused: ${said.slice(0, 300)}`, {
    remedy: /lock/.test(errors)
      ? 'another program holds the lock of xtables; the agent tries again by itself'
      : 'the agent makes its chains anew by itself; look for what else changes the rules of this node',
    cause,
  })
}
