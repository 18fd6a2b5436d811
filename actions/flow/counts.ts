/** What was done since the start, for the metrics: counted as it is done, since counting the tables takes ever longer. */

/** `alerts` by connector, `verdicts` by outcome, `receipts` by status, `stopped` packets by node. */
export type Counted = 'alerts' | 'verdicts' | 'receipts' | 'stopped'

export type Counts = {
  add(what: Counted, label: string, more?: number): void
  of(what: Counted): [label: string, count: number][]
}

export function openCounts(): Counts {
  const counts: Record<Counted, Map<string, number>> = {
    alerts: new Map(),
    verdicts: new Map(),
    receipts: new Map(),
    stopped: new Map(),
  }
  return {
    add: (what, label, more = 1) =>
      void counts[what].set(label, (counts[what].get(label) ?? 0) + more),
    of: (what) => [...counts[what]],
  }
}
