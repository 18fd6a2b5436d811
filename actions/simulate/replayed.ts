/** A stored alert as the simulator judges it: read once, judged by several policies. */
import { type Address, maybeAddress } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import type { PastAlert } from '../decide/facts.ts'
import { nothingOutside, type Outside } from '../decide/outside.ts'
import { toPast } from '../flow/enrich.ts'
import type { ReplayRow } from '../store/replay.ts'

export type Replayed = {
  /** Without the vendor's own record. */
  alert: Alert
  received: number
  attacker: Address | undefined
  past: PastAlert
  outside: Outside
  row: ReplayRow
}

/** What the store wrote is taken as it is: a million alerts are not checked again. */
export type ReadReplayed = (row: ReplayRow) => Replayed

export function openReplayedReader(): ReadReplayed {
  const intern = openIntern()
  const outsideOf = openOutside()
  return (row) => {
    const alert = JSON.parse(`${row.head},"original":"","original_cut":false}`) as Alert
    const past = toPast(alert)
    // Each row comes with texts of its own, and many say the same.
    past.rule = intern(past.rule)
    if (past.user !== undefined) past.user = intern(past.user)
    if (past.victim !== undefined) past.victim = intern(past.victim)
    return {
      alert,
      received: row.received,
      attacker: maybeAddress(alert.attacker ?? ''),
      past,
      outside: outsideOf(row.facts),
      row,
    }
  }
}

type Known = Pick<Outside, 'place' | 'lists' | 'ready' | 'intelligence'>

/** What was known then is the same for many alerts. Who may be asked now does not matter: the past cannot be asked. */
function openOutside(): (facts: string | null) => Outside {
  let [text, outside]: [string | null, Outside] = [null, nothingOutside]
  return (facts) => {
    if (facts === text) return outside
    text = facts
    outside =
      facts === null ? nothingOutside : { ...nothingOutside, ...(JSON.parse(facts) as Known) }
    return outside
  }
}

/** Texts that are kept once; of no more than this many. */
const internLimit = 100_000

function openIntern(): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    const same = known.get(text)
    if (same !== undefined) return same
    if (known.size < internLimit) known.set(text, text)
    return text
  }
}
