/** From the text of a list to its networks: what is unreadable, too wide, no attacker's or protected is left out and said. */
import { type Address, addressScope, maybeAddress, widen } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { type Ranges, RangesBuilder, touches } from './ranges.ts'
import { readCsv } from './read-csv.ts'
import { readDropJson } from './read-drop-json.ts'
import { readJson } from './read-json.ts'
import { readText } from './read-text.ts'
import type { ListFormat, ListSettings } from './settings.ts'
import type { ListReader } from './sink.ts'

export type ReadOptions = Pick<ListSettings, 'format' | 'column' | 'max_entries' | 'widest'> & {
  /** Canonical texts: an entry that overlaps one of these is left out. */
  protectedNetworks: readonly string[]
}

export type ListRead = {
  ranges: Ranges
  /** Hosts and networks that the text has and that could be read, also those that were left out. */
  entries: number
  left: Readonly<Record<Left, number>>
  /** The first of what was left out. */
  examples: readonly string[]
  /** Epoch ms, when the list says it. */
  made?: number
}

/** Why something was left out. `bogon`: private, loopback, multicast, reserved. */
export type Left = 'unreadable' | 'wide' | 'bogon' | 'protected'

const exampleLimit = 5

const readers: { readonly [Format in Exclude<ListFormat, 'auto'>]: ListReader } = {
  netset: readText,
  text: readText,
  drop_json: readDropJson,
  json: readJson,
  csv: readCsv,
}

/** Throws `invalid_input` for a text that is no whole list, `too_large` for more entries than allowed. */
export function readList(text: string, options: ReadOptions): ListRead {
  refuseHtml(text)
  const builder = new RangesBuilder()
  const protectedRanges = new RangesBuilder()
  for (const network of options.protectedNetworks) {
    const address = maybeAddress(network)
    if (address) protectedRanges.add(address)
  }
  const judge = judgeOf(options, protectedRanges.build())
  const left = { unreadable: 0, wide: 0, bogon: 0, protected: 0 }
  const examples: string[] = []
  let [entries, headings] = [0, 0]
  let made: number | undefined
  let promised: number | undefined
  const leave = (why: Left, entry: string) => {
    left[why]++
    if (examples.length < exampleLimit) examples.push(`${printable(entry, 60)} (${why})`)
  }
  const format = options.format === 'auto' ? guessFormat(text) : options.format
  const sink = {
    heading: () => {
      headings++
    },
    made: (ms: number) => {
      made ??= ms
    },
    promised: (count: number) => {
      promised = count
    },
    entry: (entry: string) => {
      const address = readEntry(entry)
      if (!address) return leave('unreadable', entry)
      if (++entries > options.max_entries) throw tooMany(options.max_entries)
      const why = judge(address)
      if (why) leave(why, entry)
      else builder.add(address)
    },
  }
  readers[format](text, sink, options.column)
  refuseGarbage(entries, left.unreadable, examples)
  if (entries === 0 && headings === 0) throw notEmpty()
  if (promised !== undefined && entries + left.unreadable < promised)
    throw cut(entries + left.unreadable, promised)
  return { ranges: builder.build(), entries, left, examples, ...(made !== undefined && { made }) }
}

function guessFormat(text: string): Exclude<ListFormat, 'auto'> {
  const start = text.slice(0, 1_000).trimStart()
  if (start.startsWith('[')) return 'json'
  if (start.startsWith('{'))
    return /^\{\s*"(cidr|sblid|rir|type)"/.test(start) ? 'drop_json' : 'json'
  const line = /^(?![ \t]*(?:[#;]|\/\/|\r?$)).+$/m.exec(text)?.[0] ?? ''
  return /[,"]/.test(line) ? 'csv' : 'text'
}

/** An IPv4 network goes the way of hosts, which is twenty times as fast. */
function readEntry(text: string): Address | undefined {
  const slash = text.indexOf('/')
  if (slash < 0 || text.includes(':')) return maybeAddress(text)
  const host = maybeAddress(text.slice(0, slash))
  const prefix = text.slice(slash + 1)
  if (!host || !/^(\d|[12]\d|3[0-2])$/.test(prefix)) return undefined
  return widen(host, Number(prefix))
}

function judgeOf({ widest }: ReadOptions, protectedRanges: Ranges) {
  return (address: Address): Left | undefined => {
    if (address.prefix < widest[address.family]) return 'wide'
    const scope = addressScope(address)
    if (scope === 'special' || scope === 'private') return 'bogon'
    return touches(protectedRanges, address) ? 'protected' : undefined
  }
}

function refuseHtml(text: string): void {
  if (/^\ufeff?\s*</.test(text.slice(0, 1_000)))
    throw new Problem('invalid_input', 'the list turned to HTML or XML: a page, not a list', {
      remedy: 'open the address in a browser: it may ask for a login, or have moved',
    })
}

function refuseGarbage(entries: number, unreadable: number, examples: readonly string[]): void {
  if (unreadable > entries)
    throw new Problem(
      'invalid_input',
      `${unreadable} of ${unreadable + entries} lines are no addresses`,
      {
        remedy: `look at the list and set its format and column; there are ${examples.join(', ')}`,
      },
    )
}

function notEmpty(): Problem {
  return new Problem('invalid_input', 'the list is empty and does not even have a heading', {
    remedy: 'a list that is empty on purpose has a comment line, or is an empty JSON array',
  })
}

function cut(read: number, promised: number): Problem {
  return new Problem('invalid_input', `the list is cut: ${read} of ${promised} entries are there`, {
    remedy: 'the last good copy stays in force; the list is fetched again by itself',
  })
}

function tooMany(limit: number): Problem {
  return new Problem('too_large', `the list has more than ${limit} entries`, {
    remedy: 'set max_entries of this list higher, or take a smaller list',
  })
}
