/** What was done since the start, for the metrics: counted as it is done, since counting the tables takes ever longer. */

/** `alerts` by connector, `verdicts` by outcome, `receipts` by status. */
export type Counted = 'alerts' | 'verdicts' | 'receipts'

export type Counts = {
  add(what: Counted, label: string): void
  of(what: Counted): [label: string, count: number][]
}

export function openCounts(): Counts {
  const counts: Record<Counted, Map<string, number>> = {
    alerts: new Map(),
    verdicts: new Map(),
    receipts: new Map(),
  }
  return {
    add: (what, label) => void counts[what].set(label, (counts[what].get(label) ?? 0) + 1),
    of: (what) => [...counts[what]],
  }
}
