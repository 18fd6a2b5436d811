/** Takes a part of Cordon out of iptables, with the tables and chains that were made for it. */
import type { Family, Iptables } from './iptables-program.ts'
import { madeHere, markTable, type Owner, readSaved, removeTables } from './iptables-script.ts'

export async function takeOut(iptables: Iptables, owns: Owner): Promise<void> {
  for (const family of iptables.families) await takeOutOf(iptables, family, owns)
}

export async function takeOutOf(iptables: Iptables, family: Family, owns: Owner): Promise<void> {
  const { script, empty } = removeTables(readSaved(await iptables.save(family)), owns)
  if (script !== '') await iptables.restore(family, script)
  for (const one of empty) {
    const stays = !(await iptables.drop(family, one)) && one.hook === undefined
    // That it was not there before is to be known until the blocks go too.
    if (stays && !owns(madeHere)) await iptables.restore(family, markTable(one.table))
  }
}
