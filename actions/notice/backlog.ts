/** What waits for a channel: the first lines by number, the rest only counted, so that a flood takes no room. Pure. */

export type Backlog = {
  /** All lines up to here are done, or wait here. */
  readonly upto: number
  /** Oldest first. */
  readonly told: readonly Waiting[]
  /** How many more wait after those, by event. */
  readonly more: ReadonlyMap<string, number>
}
export type Waiting = { seq: number; action: string; at: number }

/** One message: the lines after `after` up to `upto` that are of interest. */
export type Batch = { after: number; upto: number; told: readonly number[]; more: Backlog['more'] }

export function emptyBacklog(upto: number): Backlog {
  return { upto, told: [], more: new Map() }
}

/** `most` lines are kept by number. */
export function addLines(
  backlog: Backlog,
  lines: readonly Waiting[],
  wanted: (action: string) => boolean,
  most: number,
): Backlog {
  const last = lines.at(-1)
  if (!last) return backlog
  const told = [...backlog.told]
  const more = new Map(backlog.more)
  for (const line of lines) {
    if (!wanted(line.action)) continue
    if (told.length < most) told.push(line)
    else more.set(line.action, (more.get(line.action) ?? 0) + 1)
  }
  return { upto: last.seq, told, more }
}

export function waitingIn({ told, more }: Backlog | Batch): number {
  return told.length + sum(more)
}

export function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0)
}

/** The oldest alone; only where nothing is merely counted. */
export function takeOne(backlog: Backlog, after: number): { batch: Batch; rest: Backlog } {
  const [first, ...told] = backlog.told
  const seq = first?.seq ?? backlog.upto
  const batch = { after, upto: seq, told: first ? [seq] : [], more: new Map<string, number>() }
  return { batch, rest: { ...backlog, told } }
}

export function takeAll(backlog: Backlog, after: number): { batch: Batch; rest: Backlog } {
  const told = backlog.told.map(({ seq }) => seq)
  const batch = { after, upto: backlog.upto, told, more: backlog.more }
  return { batch, rest: emptyBacklog(backlog.upto) }
}
