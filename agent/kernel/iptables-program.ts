/** The iptables programs of both families, in whichever variant this host has. */
import { existsSync } from 'node:fs'
import { Problem } from '#contract/problem.ts'
import type { MadeTable } from './iptables-made.ts'
import { unload } from './iptables-modules.ts'
import { nftTables } from './iptables-nft.ts'
import type { Emptied } from './iptables-script.ts'
import { variantBy } from './iptables-variant.ts'
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
  /** Takes away what is empty. Best effort, since it filters nothing: whether it is gone. */
  drop(family: Family, empty: Emptied): Promise<boolean>
  /**
   * Takes tables of iptables-legacy away, of which the kernel keeps even empty ones, where that takes away nothing of
   * others. Why those stay that do.
   */
  giveUp(empty: readonly MadeTable[]): Promise<ReadonlyMap<MadeTable, string>>
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
  const restore = (family: Family, script: string, words: readonly string[] = ['--noflush']) =>
    start(program(family, '-restore'), [...lock, ...words], script)
  const kindOf = variantBy(() => start(program(4, ''), ['--version']))
  const nft = nftTables({
    ...{ save, restore },
    variant: kindOf,
    run: (name, words) => run(name, words, ''),
  })
  return {
    families,
    save,
    async saveThere(family) {
      return nft.there(family, await save(family))
    },
    async restore(family, script) {
      const ended = await restore(family, script)
      if (ended.code !== 0) throw failed(ended)
    },
    drop: (family, empty) => nft.drop(family, empty).catch(() => false),
    async giveUp(empty) {
      const { kind } = await kindOf()
      if (kind !== 'legacy')
        return new Map(empty.map((one) => [one, 'this iptables cannot take it away']))
      return unload(empty, (words) => run('sh', words, ''))
    },
  }
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
