/** The nft program: for tables and chains always, for set elements where netlink cannot be used. */
import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Carrier } from './carrier.ts'
import type { SetName } from './firewall.ts'
import { type Ended, runProgram } from './program.ts'
import { noPrivilegeRemedy } from './refusal.ts'
import { printKey, printSteps } from './script.ts'
import { setSpec } from './sets.ts'

export type Nft = {
  /** One transaction. Throws `firewall_missing`, `no_privilege`, `kernel_refused`. */
  run(script: string): Promise<void>
  /** Whether kernel and program would take it; nothing is changed. Throws `firewall_missing`, `no_privilege`. */
  takes(script: string): Promise<boolean>
  /** What a listing prints; undefined when what is asked for does not exist. */
  list(...words: string[]): Promise<string | undefined>
  /** Whether this process was one of ours. */
  isOwn(pid: number): boolean
}

export function nftProgram(program = 'nft'): Nft {
  const own = new Set<number>()
  const start: Start = (words, input) =>
    runProgram(program, words, input, (pid) => remember(own, pid)).catch((error: unknown) => {
      throw missing(error)
    })
  return nftBy(start, (pid) => own.has(pid))
}

/** How nft is started with these words and this input, wherever it is. */
type Start = (words: readonly string[], input: string) => Promise<Ended>

/** Throws what `start` throws, and what nft says. */
export function nftBy(start: Start, isOwn: (pid: number) => boolean = () => false): Nft {
  return {
    async run(script) {
      const { code, errors } = await start(['-f', '-'], script)
      if (code !== 0) throw failed(errors)
    },
    async takes(script) {
      const { code, errors } = await start(['-c', '-f', '-'], script)
      if (code === 0) return true
      const problem = failed(errors)
      if (problem.code === 'kernel_refused') return false
      throw problem
    },
    async list(...words) {
      const { code, output, errors } = await start(words, '')
      if (code === 0) return output
      if (/No such file or directory|element does not exist/.test(errors)) return undefined
      throw failed(errors)
    },
    isOwn,
  }
}

export function nftCarrier(nft: Nft): Carrier {
  return {
    name: 'nft',
    port: undefined,
    async commit(table, steps) {
      if (steps.length > 0) await nft.run(printSteps(table, steps))
    },
    remaining: (table, set, address) => remaining(nft, table, set, address),
    close() {},
  }
}

async function remaining(
  nft: Nft,
  table: string,
  set: SetName,
  address: Address,
): Promise<number | undefined> {
  // `get` of an interval prints no time, and JSON prints whole seconds only.
  const intervals = setSpec(set).prefix === undefined
  const key = intervals ? address.text : printKey(address)
  const listing = intervals
    ? await nft.list('list', 'set', 'inet', table, set)
    : await nft.list('get', 'element', 'inet', table, set, `{ ${key} }`)
  return listing === undefined ? undefined : readExpiry(listing, key)
}

/** Milliseconds that a listing gives for the element: `203.0.113.7 timeout 1m expires 59s996ms`. */
export function readExpiry(listing: string, key: string): number | undefined {
  const words = listing.split(/[\s,{}]+/)
  const from = words.indexOf(key)
  if (from < 0) return undefined
  const next = words.indexOf('expires', from)
  return next < 0 ? undefined : readDuration(words[next + 1] ?? '')
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export function readDuration(text: string): number {
  let total = 0
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|[smhd])/g))
    total += Number(digits) * (units[unit ?? ''] ?? 0)
  return total
}

/** Its notifications are read up to a moment later; a number is not given again that soon. */
function remember(own: Set<number>, pid: number): void {
  own.add(pid)
  if (own.size > 200) for (const oldest of own) return void own.delete(oldest)
}

function missing(error: unknown): Problem {
  return new Problem('firewall_missing', 'the nft program cannot be started', {
    remedy: 'install the package nftables (apt install nftables, dnf install nftables)',
    cause: error,
  })
}

function failed(errors: string): Problem {
  const first = errors.split('\n', 1)[0]?.slice(0, 300) ?? ''
  const cause = new Error(errors.slice(0, 2000))
  if (/Operation not permitted|Permission denied/.test(errors))
    return new Problem('no_privilege', 'nft may not change the firewall', {
      remedy: noPrivilegeRemedy,
      cause,
    })
  return new Problem('kernel_refused', `nft refused the transaction: ${first}`, {
    remedy: /too many open files|in system/i.test(errors)
      ? 'the set is full: lift blocks, or block networks instead of single hosts'
      : 'the agent makes table and sets anew by itself; look for what else changes the ruleset of this node',
    cause,
  })
}
