/** The journal as text in one of the formats, page by page, up to a number of bytes. */
import type { Reader } from '../store/store.ts'
import { csvHead, toCsv } from './csv.ts'
import { toEcs } from './ecs.ts'
import { type Entry, readEntries, type Wanted } from './entry.ts'

export const exportFormats = ['ndjson', 'csv'] as const
export type ExportFormat = (typeof exportFormats)[number]

export const exportTypes = { ndjson: 'application/x-ndjson', csv: 'text/csv' } as const

export type ExportQuery = Wanted & {
  format: ExportFormat
  /** Of the whole text. It ends before a line that would not fit; one line comes in any case. */
  limitBytes: number
  /** What `organization.name` of each document shall be. */
  organization?: string | undefined
}

/** Whole lines, a page at a time; a page in which no line fits the query is left out. */
export async function* exportJournal(db: Reader, query: ExportQuery): AsyncGenerator<string> {
  const head = query.format === 'csv' ? csvHead : ''
  let left = query.limitBytes - Buffer.byteLength(head)
  let any = false
  if (head !== '') yield head
  for await (const entries of readEntries(db, query)) {
    let text = ''
    for (const entry of entries) {
      const line = print(entry, query)
      left -= Buffer.byteLength(line)
      if (left < 0 && any) {
        if (text !== '') yield text
        return
      }
      text += line
      any = true
    }
    if (text !== '') yield text
  }
}

function print(entry: Entry, { format, organization }: ExportQuery): string {
  return format === 'csv' ? toCsv(entry) : `${JSON.stringify(toEcs(entry, organization))}\n`
}
