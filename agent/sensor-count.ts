/** Who scans: different ports tried in vain by each source, counted of what the kernel saw. No clock, no network. */
import { type Address, networkAt, widen } from '#contract/address.ts'
import { mostNamed, type ScanReport } from '#contract/scan.ts'
import type { Attempt, Attempts } from './kernel/sensor-table.ts'

export type CountOn = {
  /** Different ports from which on it is a scan. */
  ports: number
  windowMs: number
  /** This node's own addresses, as attempts have them. */
  own(): ReadonlySet<string>
  /** Whether the source is left alone whatever it does. */
  spared(source: Address): boolean
}

/** Younger ones may still be answered: a browser opens twenty connections at once. */
const settleMs = 1_000
/** Scans told of at one time. Sources are easily forged: of more only the number is told. */
export const mostScans = 50
/** A flood may last for hours, and nobody can do anything about a single source of it. */
export const floodMs = 600_000

/** What was told, until nothing of it is left in the window. */
type Told = { window: number; update: number; count: number; until: number }
type Scan = {
  from: string
  source: Address
  attempts: readonly Attempt[]
  hosts: string[]
  count: number
}

/** An address as attempts have it. */
export function bytesOf({ bytes }: Address): string {
  return Buffer.from(bytes).toString('latin1')
}

export class ScanCounter {
  readonly #on: CountOn
  readonly #told = new Map<string, Told>()
  #flood: Told | undefined

  constructor(on: CountOn) {
    this.#on = on
  }

  /** What is to be told of now: what is new, and what has doubled since it was told. */
  look({ all, missed }: Attempts, now: number): ScanReport[] {
    for (const [source, { until }] of this.#told) if (until <= now) this.#told.delete(source)
    if (this.#flood && this.#flood.until <= now) this.#flood = undefined
    const { scans, sources } = this.#scans(all)
    const reports: ScanReport[] = []
    let untold = 0
    for (const scan of scans) {
      const known = this.#told.get(scan.from)
      if (!known && this.#told.size >= mostScans) untold++
      else reports.push(...this.#tell(scan, known, now))
    }
    return missed || untold > 0 ? [...reports, ...this.#tellFlood(sources, now)] : reports
  }

  /** The largest first. A source counts at once, as in a flood nobody waits for answers. */
  #scans(all: readonly Attempt[]): { scans: Scan[]; sources: number } {
    const counts = new Map<string, number>()
    for (const { source, ageMs } of all) {
      const from = origin(source)
      counts.set(from, (counts.get(from) ?? 0) + (ageMs >= settleMs ? 1 : 0))
    }
    const many = new Map<string, Attempt[]>()
    for (const [from, count] of counts) if (count >= this.#on.ports) many.set(from, [])
    if (many.size === 0) return { scans: [], sources: counts.size }
    for (const attempt of all)
      if (attempt.ageMs >= settleMs) many.get(origin(attempt.source))?.push(attempt)
    const own = this.#on.own()
    const scans = [...many.values()]
      .map((attempts) => weigh(attempts, own))
      .filter(({ source, count }) => count >= this.#on.ports && !this.#on.spared(source))
      .sort((a, b) => b.count - a.count)
    return { scans, sources: counts.size }
  }

  #tell(scan: Scan, known: Told | undefined, now: number): ScanReport[] {
    if (known && scan.count < 2 * known.count) return []
    const ages = span(scan.attempts)
    const window = known?.window ?? now - ages.oldest
    const update = known ? known.update + 1 : 0
    const until = now + this.#on.windowMs
    this.#told.set(scan.from, { window, update, count: scan.count, until })
    const hosts = scan.hosts.slice(0, mostNamed).map((host) => address(host).text)
    return [
      {
        kind: 'scan',
        source: scan.source.text,
        ports: portsOf(scan.attempts),
        ...(hosts.length > 0 && { hosts }),
        count: scan.count,
        window,
        update,
        first: now - ages.oldest,
        last: now - ages.youngest,
      },
    ]
  }

  #tellFlood(sources: number, now: number): ScanReport[] {
    const known = this.#flood
    if (known && sources < 2 * Math.max(known.count, 1)) return []
    const window = known?.window ?? now
    const update = known ? known.update + 1 : 0
    const until = known?.until ?? now + floodMs
    this.#flood = { window, update, count: sources, until }
    return [{ kind: 'flood', sources, window, update, first: window, last: now }]
  }
}

/** Whoever has one IPv6 address has the /64 around it, and may take another of it for each port. */
function origin(source: string): string {
  return source.length === 16 ? source.slice(0, 8) : source
}

/** One port on each of a node's own addresses is one thing that is tried, on each machine behind it another. */
function weigh(attempts: readonly Attempt[], own: ReadonlySet<string>): Scan {
  const sources = new Set<string>()
  const hosts = new Set<string>()
  const tried = new Set<string>()
  for (const { source, host, protocol, port } of attempts) {
    sources.add(source)
    const isOwn = own.has(host)
    if (!isOwn) hosts.add(host)
    tried.add(`${isOwn ? '' : host} ${protocol} ${port}`)
  }
  const [first = ''] = sources
  const source = sources.size === 1 ? address(first) : widen(address(first), 64)
  return { from: origin(first), source, attempts, hosts: [...hosts], count: tried.size }
}

function address(bytes: string): Address {
  return networkAt(Buffer.from(bytes, 'latin1'), bytes.length * 8)
}

/** The lowest ports say most of what was looked for. */
function portsOf(attempts: readonly Attempt[]): string[] {
  const byPort = [...attempts].sort((a, b) => a.port - b.port)
  const names = new Set(byPort.map(({ protocol, port }) => `${protocol}/${port}`))
  return [...names].slice(0, mostNamed)
}

function span(attempts: readonly Attempt[]): { oldest: number; youngest: number } {
  let [oldest, youngest] = [0, Number.POSITIVE_INFINITY]
  for (const { ageMs } of attempts) {
    oldest = Math.max(oldest, ageMs)
    youngest = Math.min(youngest, ageMs)
  }
  return { oldest, youngest }
}
