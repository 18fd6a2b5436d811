/** The self-test of ipset and iptables: what they can do on this kernel, tried in sets and a chain that nothing leads to. */
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Expresses } from './firewall.ts'
import type { Ipset } from './ipset-program.ts'
import { addLine, create, type IpsetSpec } from './ipset-sets.ts'
import type { Family, Iptables } from './iptables-program.ts'
import { madeHere, markTable, readSaved } from './iptables-script.ts'

const chain = `CORDON_SELFTEST_${process.pid}`

/** Throws a problem that says what surprised when they cannot be relied on. */
export async function proveIpset(
  ipset: Ipset,
  iptables: Iptables,
): Promise<Pick<Expresses, 'scopes' | 'reject'>> {
  const sets = iptables.families.flatMap(scratchSets)
  const destroy = sets.map(({ name }) => `destroy ${name}`)
  try {
    await ipset.run(sets.map((spec) => create(spec)))
    await tryTimes(ipset, sets)
    return await tryRules(iptables)
  } finally {
    await ipset.run(destroy).catch(() => undefined)
  }
}

function scratchSets(family: Family): IpsetSpec[] {
  const own = { family, most: 16, more: 'timeout 0' }
  const name = `cordon_selftest${family}_${process.pid}`
  return [
    { ...own, name, type: 'hash:net' },
    { ...own, name: `${name}_other`, type: 'hash:net' },
    { ...own, name: `${name}_hits`, type: 'hash:ip', more: 'counters' },
    { ...own, name: `${name}_ports`, type: 'hash:net,port', more: 'timeout 0 counters' },
  ]
}

async function tryTimes(ipset: Ipset, sets: readonly IpsetSpec[]): Promise<void> {
  for (const [from, { name, family }] of sets.entries()) {
    const other = sets[from + 1]
    if (!other?.name.endsWith('_other')) continue
    const inner = readAddress(family === 4 ? '192.0.2.1' : '2001:db8::1').text
    const outer = family === 4 ? '192.0.2.0/25' : '2001:db8::/33'
    await ipset.run([addLine(name, inner, 600_000), addLine(name, outer, 600_000)])
    await ipset.run([addLine(name, inner, 30_000), `del ${name} ${outer}`, `del ${name} ${outer}`])
    const saved = (await ipset.save(name)) ?? ''
    const seconds = Number(/ timeout (\d+)/.exec(saved.slice(saved.indexOf('\n')))?.[1])
    must(seconds > 0 && seconds <= 30, `an element of ${name} did not take its new time`)
    must(!saved.includes(outer), `an element of ${name} was not removed`)
    await ipset.run([`swap ${name} ${other.name}`])
    const swapped = (await ipset.save(other.name)) ?? ''
    must(swapped.includes(inner), `${other.name} did not take the place of ${name}`)
  }
}

async function tryRules(iptables: Iptables): Promise<Pick<Expresses, 'scopes' | 'reject'>> {
  const works = async (table: string, rules: (family: Family) => readonly string[]) => {
    for (const family of iptables.families)
      if (!(await isTaken(iptables, family, table, rules(family)))) return false
    return true
  }
  for (const family of iptables.families)
    for (const table of ['raw', 'mangle']) await tryChain(iptables, family, table, plain(family))
  return { scopes: await works('raw', scoped), reject: await works('filter', rejecting) }
}

function plain(family: Family): string[] {
  const set = `cordon_selftest${family}_${process.pid}`
  return [
    `-m set ! --match-set ${set}_hits src -j SET --add-set ${set}_hits src`,
    `-j SET --add-set ${set} src --exist --timeout 60`,
    `-m set --match-set ${set} src -j DROP`,
  ]
}

function scoped(family: Family): string[] {
  const set = `cordon_selftest${family}_${process.pid}`
  return [
    `-i lo -p 6 -m multiport --dports 22:90 -m set --match-set ${set}_ports src,dst ! --update-counters -j RETURN`,
    `! -i lo -m set --match-set ${set}_ports src,dst`,
    '-m addrtype ! --dst-type LOCAL -m addrtype ! --dst-type ANYCAST -j RETURN',
    `-m set --match-set ${set} src -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 ` +
      `--hashlimit-mode srcip --hashlimit-srcmask 24 --hashlimit-name cordon_selftest${family} -j DROP`,
    '-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 ' +
      `--hashlimit-name cordon_both${family} -j DROP`,
  ]
}

function rejecting(family: Family): string[] {
  const peer = family === 4 ? '192.0.2.0/25' : '2001:db8::/33'
  return [
    `-p tcp -m conntrack --ctdir ORIGINAL --ctorigdst ${peer} --ctorigdstport 22:90 -j RETURN`,
    `-m conntrack --ctdir REPLY --ctrepldst ${peer} -j RETURN`,
    '-p tcp -m conntrack --ctstate INVALID,UNTRACKED -m multiport --dports 22:90 -j RETURN',
    '-p tcp -j REJECT --reject-with tcp-reset',
    `-j REJECT --reject-with ${family === 4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited'}`,
  ]
}

async function isTaken(
  iptables: Iptables,
  family: Family,
  table: string,
  rules: readonly string[],
): Promise<boolean> {
  try {
    await tryChain(iptables, family, table, rules)
    return true
  } catch (error) {
    if (error instanceof Problem && error.code === 'kernel_refused') return false
    throw error
  }
}

/** What was not there before is not there after. */
async function tryChain(
  iptables: Iptables,
  family: Family,
  table: string,
  rules: readonly string[],
): Promise<void> {
  const was = readSaved(await iptables.save(family)).has(table)
  const chains = [chain, ...(was ? [] : [madeHere])]
  const script = (lines: readonly string[]) =>
    [`*${table}`, ...chains.map((one) => `:${one} - [0:0]`), ...lines, 'COMMIT', ''].join('\n')
  try {
    await iptables.restore(family, script(rules.map((rule) => `-A ${chain} ${rule}`)))
  } finally {
    await iptables.restore(family, script(chains.map((one) => `-X ${one}`))).catch(() => undefined)
    // What stays is known by its mark when everything is taken out.
    if (!was && !(await iptables.drop(family, { table })))
      await iptables.restore(family, markTable(table)).catch(() => undefined)
  }
}

function must(holds: boolean, surprise: string): void {
  if (!holds)
    throw new Problem('kernel_refused', surprise, {
      remedy: 'report the versions of this kernel, of ipset and of iptables',
    })
}
