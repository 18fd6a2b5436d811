/** Lines of ipset for changes, in an order that is safe, and whole sets filled anew. */
import type { Change, Put } from './firewall.ts'
import type { Ipset } from './ipset-program.ts'
import { freshName, type IpsetSpec, ipsetOf, putLine, refill } from './ipset-sets.ts'
import type { Tally } from './ipset-tally.ts'

/** Lines in one call of ipset: other changes wait for one at most. */
export const batchSize = 5_000

/** A line of the script; without a time it removes. */
export type Line = {
  readonly set: string
  readonly text: string
  readonly timeoutMs: number | undefined
}

export function lineOf(
  set: string,
  into: string,
  change: Pick<Put, 'address' | 'timeoutMs'>,
): Line {
  const { timeoutMs } = change
  return { set, text: putLine(into, change), timeoutMs: timeoutMs > 0 ? timeoutMs : undefined }
}

/** Of several changes to one element the last; what comes before what goes, so that nothing that stays is ever missing. */
export function safely(changes: readonly Change[]): Line[] {
  const last = new Map<string, Line>()
  for (const change of changes) {
    const set = ipsetOf(change.set)
    const timeoutMs = change.op === 'put' ? change.timeoutMs : 0
    last.set(`${set} ${change.address.text}`, lineOf(set, set, { ...change, timeoutMs }))
  }
  const lines = [...last.values()]
  const removes = (line: Line) => line.timeoutMs === undefined
  return [...lines.filter((line) => !removes(line)), ...lines.filter(removes)]
}

export function count(tally: Tally, lines: readonly Line[]): void {
  for (const { set, timeoutMs } of lines)
    if (timeoutMs === undefined) tally.remove(set)
    else tally.put(set, timeoutMs)
}

/**
 * Each set takes the place of what was in one step, and only when all are filled. The lines go to the fresh names. What
 * was there before stays when something is refused.
 */
export async function replaceSets(
  ipset: Ipset,
  tally: Tally,
  sets: readonly (readonly [IpsetSpec, readonly Line[]])[],
): Promise<void> {
  const texts = (lines: readonly Line[]) => lines.map(({ text }) => text)
  const steps = sets.map(([spec, lines]) => refill(spec, texts(lines)))
  try {
    const fill = steps.flatMap((step) => step.fill)
    for (let from = 0; from < fill.length; from += batchSize)
      await ipset.run(fill.slice(from, from + batchSize))
    await ipset.run(steps.flatMap(({ swap }) => swap))
  } catch (error) {
    // What was made beside it is of no use, and the next time empties it in any case.
    for (const [{ name }] of sets)
      await ipset.run([`destroy ${freshName(name)}`]).catch(() => undefined)
    throw error
  }
  for (const [{ name }, lines] of sets) {
    tally.empty(name)
    count(tally, lines)
  }
}
