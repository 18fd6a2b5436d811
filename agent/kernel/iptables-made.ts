/** Tables of iptables that are there because of Cordon, and may still be listed when nothing is left in them. */
import type { Family, Iptables } from './iptables-program.ts'
import { isInUse, madeHere, readSaved, type SavedTable } from './iptables-script.ts'

export type MadeTable = { family: Family; table: string }

/** `act` takes out what is in them. Of tables that stay nevertheless: which, and why. Throws what `act` throws. */
export async function emptying(iptables: Iptables, act: () => Promise<void>): Promise<string[]> {
  const made = await tablesOf(iptables, ({ chains }) => chains.includes(madeHere))
  await act()
  const empty = await tablesOf(iptables, (table) => !isInUse(table))
  const left = empty.filter(({ family, table }) =>
    made.some((one) => one.family === family && one.table === table),
  )
  if (left.length === 0) return []
  const why = await iptables.giveUp(left)
  const reasons = [...new Set(why.values())]
  return reasons.map((reason) => {
    const of = left.filter((one) => why.get(one) === reason).map(nameOf)
    return `empty ${of.join(', ')}: ${reason}`
  })
}

async function tablesOf(
  { families, save }: Iptables,
  has: (table: SavedTable) => boolean,
): Promise<MadeTable[]> {
  const found: MadeTable[] = []
  for (const family of families)
    for (const [table, saved] of readSaved(await save(family)))
      if (has(saved)) found.push({ family, table })
  return found
}

function nameOf({ family, table }: MadeTable): string {
  return `${family === 4 ? 'iptables' : 'ip6tables'} ${table}`
}
