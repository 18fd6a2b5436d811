/** The self-test at start: what a carrier can do on this kernel, tried in a table that holds up no packet. */
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Carrier, Proven } from './carrier.ts'
import type { SetName } from './firewall.ts'
import type { Nft } from './nft.ts'
import { printSet, removeTable } from './ruleset.ts'
import { expressible } from './scoped-proof.ts'
import { setSpec } from './sets.ts'
import type { Capabilities, Element, Step } from './transaction.ts'

/** Of this process alone: a check beside an agent that starts must not take its table away. */
const scratch = `cordon_selftest_${process.pid}`
const cases: readonly [SetName, ...string[]][] = [
  ['in_hosts4', '192.0.2.1', '192.0.2.2'],
  ['in_hosts6', '2001:db8::1', '2001:db8::2'],
  ['in_nets4_24', '192.0.2.0/24', '198.51.100.0/24'],
  ['in_rare4', '192.0.2.0/25', '192.0.2.128/25'],
  ['in_rare6', '2001:db8::/33', '2001:db8:8000::/33'],
]

/** Throws a problem that says what surprised when the carrier cannot be relied on. */
export async function prove(carrier: Carrier, nft: Nft): Promise<Proven> {
  // At once: neither needs the other, and the node has no block in force until then.
  const trying = tryCarrier(carrier, nft)
  const asking = expressible(nft, `${scratch}_scoped`)
  // Whatever one of them says, the other has tidied up: the next carrier is tried under the same names.
  await Promise.allSettled([trying, asking])
  return { carrier, can: await trying, expresses: await asking }
}

async function tryCarrier(carrier: Carrier, nft: Nft): Promise<Capabilities> {
  const sets = cases.map(([set]) => printSet(scratch, setSpec(set)))
  await nft.run(`${removeTable(scratch)}add table inet ${scratch}\n${sets.join('\n')}\n`)
  try {
    const can = await capabilities(carrier)
    for (const one of cases) await tryAll(carrier, can, one)
    return can
  } finally {
    await nft.run(removeTable(scratch))
  }
}

async function capabilities(carrier: Carrier): Promise<Capabilities> {
  const [set, first] = elementsOf(cases[0] ?? ['in_hosts4'])
  const destroy =
    carrier.name === 'netlink' && (await works(carrier, { do: 'destroy', set, elements: first }))
  await carrier.commit(scratch, [add(set, first, 60_000)])
  await carrier.commit(scratch, [add(set, first, 600_000)])
  const longer = await left(carrier, set, first)
  await carrier.commit(scratch, [add(set, first, 30_000)])
  const shorter = await left(carrier, set, first)
  await carrier.commit(scratch, [{ do: 'flush', set }])
  return { destroy, renew: longer > 500_000 && shorter <= 30_000 }
}

async function tryAll(
  carrier: Carrier,
  can: Capabilities,
  one: readonly [SetName, ...string[]],
): Promise<void> {
  const [set, first, second] = elementsOf(one)
  const remove: Step[] = can.destroy
    ? [{ do: 'destroy', set, elements: first }]
    : [add(set, first, 60_000), { do: 'delete', set, elements: first }]
  await carrier.commit(scratch, [add(set, [...first, ...second], 60_000)])
  await carrier.commit(scratch, [...remove, add(set, first, 30_000)])
  const renewed = await left(carrier, set, first)
  must(renewed > 0 && renewed <= 30_000, `an element of ${set} did not take its new time`)
  await carrier.commit(scratch, remove)
  must((await left(carrier, set, first)) === 0, `an element of ${set} was not removed`)
  must((await left(carrier, set, second)) > 30_000, `an element of ${set} is missing`)
  await carrier.commit(scratch, remove)
  await carrier.commit(scratch, [{ do: 'flush', set }, add(set, first, 60_000)])
  must((await left(carrier, set, second)) === 0, `set ${set} was not emptied`)
  must((await left(carrier, set, first)) > 30_000, `set ${set} was not filled anew`)
}

async function works(carrier: Carrier, step: Step): Promise<boolean> {
  try {
    await carrier.commit(scratch, [step])
    return true
  } catch (error) {
    if (error instanceof Problem && error.code === 'kernel_refused') return false
    throw error
  }
}

async function left(carrier: Carrier, set: SetName, elements: readonly Element[]): Promise<number> {
  const address = elements[0]?.address
  return address ? ((await carrier.remaining(scratch, set, address)) ?? 0) : 0
}

function elementsOf([set, first, second]: readonly [SetName, ...string[]]) {
  const element = (text: string | undefined): Element[] =>
    text === undefined ? [] : [{ address: readAddress(text) }]
  return [set, element(first), element(second)] as const
}

function add(set: SetName, elements: readonly Element[], timeoutMs: number): Step {
  return { do: 'add', set, elements: elements.map(({ address }) => ({ address, timeoutMs })) }
}

function must(holds: boolean, surprise: string): void {
  if (!holds)
    throw new Problem('kernel_refused', surprise, {
      remedy: 'report the version of this kernel and of nft',
    })
}
