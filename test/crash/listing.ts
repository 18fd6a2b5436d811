/** What a kernel holds, as nft lists it, beside what the service wishes of it. */
import { z } from 'zod'
import { audiencesOf } from '#contract/audience.ts'
import type { Reader } from '../../actions/store/store.ts'
import { ordersIn } from '../claims.ts'

const Text = z.string()
const Value = z.union([
  Text,
  z.object({ prefix: z.object({ addr: Text, len: z.number() }) }),
  z.object({ range: z.tuple([Text, Text]) }),
])
const Element = z.union([
  Value,
  z.object({ elem: z.object({ val: Value, expires: z.number().optional() }) }),
])
const Entry = z.looseObject({
  set: z.looseObject({ name: Text, elem: z.array(Element).default([]) }).optional(),
  rule: z.looseObject({ chain: Text, expr: z.unknown() }).optional(),
})
const Listing = z.object({ nftables: z.array(Entry) })

export type Kernel = {
  /** Whole seconds left, by `in` or `out` and the target. */
  blocks: Map<string, number>
  /** One line a rule, in order, without the handles. */
  rules: string[]
  /** Names of the sets of blocks that hold something. */
  filled: string[]
}

/** Reads `nft -j list table inet cordon`. */
export function readKernel(json: string): Kernel {
  const blocks = new Map<string, number>()
  const rules: string[] = []
  const filled: string[] = []
  for (const { set, rule } of Listing.parse(JSON.parse(json)).nftables) {
    if (rule) rules.push(`${rule.chain} ${JSON.stringify(rule.expr)}`)
    const [, way, length] = /^(in|out)_[a-z]+[46](?:_(\d+))?$/.exec(set?.name ?? '') ?? []
    if (set === undefined || way === undefined) continue
    if (set.elem.length > 0) filled.push(set.name)
    for (const element of set.elem)
      blocks.set(`${way} ${targetOf(element, length)}`, expiry(element))
  }
  return { blocks, rules, filled }
}

/** Which of these there are follows from what is blocked, and from what a start has not looked at yet. */
const asksNetworks = /"@((in|out)_(nets|rare)|feeds)/

/** The rules that are there whatever is blocked. */
export function lasting(rules: readonly string[]): string[] {
  return rules.filter((rule) => !asksNetworks.test(rule))
}

function targetOf(element: z.infer<typeof Element>, length: string | undefined): string {
  if (typeof element === 'string') return length === undefined ? element : `${element}/${length}`
  if ('elem' in element) return targetOf(element.elem.val, length)
  if ('prefix' in element) return `${element.prefix.addr}/${element.prefix.len}`
  return element.range.join('-')
}

/** An element without an end is told apart from all others. */
function expiry(element: z.infer<typeof Element>): number {
  const ends = typeof element === 'object' && 'elem' in element
  return ends ? (element.elem.expires ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
}

/** The end of each block that the node is to hold, epoch milliseconds, by the same keys. */
export async function wishedOf(store: Reader, node: string): Promise<Map<string, number>> {
  const known = await store
    .selectFrom('nodes')
    .select('groups')
    .where('name', '=', node)
    .executeTakeFirstOrThrow()
  const groups = z.array(Text).parse(JSON.parse(known.groups))
  const claims = await store
    .selectFrom('claims')
    .select('row')
    .where('audience', 'in', audiencesOf(node, groups))
    .execute()
  const wished = new Map<string, number>()
  for (const { target, not_after, direction } of claims.flatMap(({ row }) => ordersIn(`[${row}]`)))
    for (const way of direction === 'both' ? ['in', 'out'] : [direction])
      wished.set(`${way} ${target}`, Math.max(not_after, wished.get(`${way} ${target}`) ?? 0))
  return wished
}

const second = 1_000

/**
 * Empty when the kernel holds the same and each for the same time, to the second (nft tells whole seconds, cut).
 * What ends within this second may be there or not.
 */
export function differences(
  { blocks }: Kernel,
  wished: ReadonlyMap<string, number>,
  now: number,
): string[] {
  const found: string[] = []
  for (const [key, end] of wished) {
    const left = blocks.get(key)
    if (left === undefined && end > now + second) found.push(`${key} is missing`)
    const apart = left === undefined ? 0 : Math.abs(end - now - (left + 0.5) * second)
    if (apart > 1.5 * second) found.push(`${key} has ${left} s instead of ${(end - now) / second}`)
  }
  for (const key of blocks.keys())
    if ((wished.get(key) ?? 0) <= now - second) found.push(`${key} is there and should not be`)
  return found
}
