/** What comments of lists say about the list: when it was made and how much it holds. */
import type { Sink } from './sink.ts'

const entries = /^#\s*entries\s*:\s*(\d[\d,]*)\s+(?:subnets|unique)/i
const end = /^#\s*end\s+\(?(\d+)\)?\s+entries/i
const made = /^[#;]+\s*(?:source file date|last[- ]modified|last updated)\s*:\s*([^#]+)/i

/** FireHOL says `Entries : 12 subnets, 3072 unique IPs`, abuse.ch `END 12 entries`. */
export function readHeading(line: string, sink: Sink): void {
  sink.heading()
  const count = entries.exec(line)?.[1] ?? end.exec(line)?.[1]
  if (count !== undefined) sink.promised(Number(count.replaceAll(',', '')))
  const time = made.exec(line)?.[1]
  if (time !== undefined) {
    const ms = readDate(time)
    if (!Number.isNaN(ms)) sink.made(ms)
  }
}

/** Lists mean UTC, and write it in several ways or not at all. */
function readDate(text: string): number {
  const bare = text.replace(/[()]/g, ' ').trim()
  return Date.parse(/utc|gmt|z$|[+-]\d\d:?\d\d$/i.test(bare) ? bare : `${bare} UTC`)
}
