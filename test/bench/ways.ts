/** The ways to block a host that are compared: Cordon's own, `nft` and `iptables` started for each. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { runProgram } from '../../agent/kernel/program.ts'
import { blockedHost, put, remove } from './blocks.ts'
import { percentile } from './figure.ts'

export type Way = {
  /** How often one is tried. */
  times: number
  add(n: number): Promise<unknown>
  delete(n: number): Promise<unknown>
  /** Adds the hosts `from` to `to - 1` at once, where it can. */
  bulk?(from: number, to: number): Promise<unknown>
}

/** Milliseconds: medians of one add and one delete, and of `many` adds at once. */
export type Cost = { add: number; delete: number; bulk: number }

export const many = 10_000
/** Hosts from here on are not among those that were loaded. */
const others = 1_100_000
const bulks = 3

const run = promisify(execFile)

export function ourWay(firewall: Firewall): Way {
  return {
    times: 500,
    add: (n) => firewall.apply([put(n)]),
    delete: (n) => firewall.apply([remove(n)]),
    bulk: (from, to) => firewall.apply(puts(from, to)),
  }
}

/** Into the same set of the same table. */
export const nftWay: Way = {
  times: 15,
  add: (n) => nft('add', n),
  delete: (n) => nft('delete', n),
  bulk: async (from, to) => {
    const elements = puts(from, to).map(({ address }) => `${address.text} timeout 1h`)
    const script = `add element inet cordon in_hosts4 { ${elements.join(', ')} }\n`
    const { code, errors } = await runProgram('nft', ['-f', '-'], script)
    if (code !== 0) throw new Error(errors)
  },
}

export const iptablesWay: Way = {
  times: 15,
  add: (n) => iptables('-I', n),
  delete: (n) => iptables('-D', n),
}

/** What is added is deleted again. */
export async function costOf({ times, add, delete: remove, bulk }: Way): Promise<Cost> {
  const hosts = Array.from({ length: times }, (_, n) => others + n)
  const cost = {
    add: await median(hosts, add),
    delete: await median(hosts, remove),
    bulk: Number.NaN,
  }
  if (!bulk) return cost
  const pieces = Array.from({ length: bulks }, (_, n) => others + n * many)
  return { ...cost, bulk: await median(pieces, (from) => bulk(from, from + many)) }
}

async function median(hosts: readonly number[], each: (n: number) => Promise<unknown>) {
  const taken: number[] = []
  for (const n of hosts) {
    const started = performance.now()
    await each(n)
    taken.push(performance.now() - started)
  }
  return percentile(taken, 0.5)
}

function puts(from: number, to: number) {
  return Array.from({ length: to - from }, (_, index) => put(from + index))
}

function nft(verb: 'add' | 'delete', n: number) {
  const timeout = verb === 'add' ? ' timeout 1h' : ''
  const element = `{ ${blockedHost(n).text}${timeout} }`
  return run('nft', [verb, 'element', 'inet', 'cordon', 'in_hosts4', element])
}

function iptables(verb: '-I' | '-D', n: number) {
  return run('iptables', [verb, 'INPUT', '-s', blockedHost(n).text, '-j', 'DROP'])
}
