/** `cordon journal export`: the journal into a file or a pipe, in answers of bounded size, from where it stopped. */
import { readDuration } from '#contract/duration.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { printTime, readTime } from '#contract/time.ts'
import { answer, queryOf } from './answer.ts'
import { type Client, openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { type ExportFile, openExportFile } from './export-file.ts'
import { type Format, seqOf } from './exported-line.ts'
import { openProgress } from './progress.ts'

type Sink = Omit<ExportFile, 'finish' | 'leave'> & Partial<ExportFile>
type Filter = Readonly<Record<string, string | undefined>>

export const exportJournal: Handler = async (asked, io) => {
  const file = asked.option('out')
  if (asked.json && file === undefined)
    throw new Problem('usage', 'journal export: what it exports is its result, and no other', {
      remedy: 'with --out FILE the result is what was written, also as JSON',
    })
  const format: Format = asked.option('format') === 'csv' ? 'csv' : 'ndjson'
  const after = readAfter(asked)
  const room = readSize(asked.option('max-bytes'))
  const filter = {
    format,
    since: readMoment(asked.option('since'), io.now()),
    until: readMoment(asked.option('until'), io.now()),
    organization: asked.option('organization'),
  }
  const client = openClient(io.environment)
  const sink: Sink =
    file === undefined
      ? toOutput(io, after)
      : await openExportFile(file, format, after, () => firstLine(client, format, filter, after))
  const done = await copy(client, { format, filter, room, file }, sink, io)
  await sink.finish?.()
  tell(asked, io, file, { ...done, bytes: sink.bytes })
  return 0
}

type Wish = { format: Format; filter: Filter; room: number; file: string | undefined }
type Done = { lines: number; last: number; complete: boolean }

/** Answer after answer, until one holds nothing more or the room is used up. */
async function copy(client: Client, wish: Wish, sink: Sink, io: Io): Promise<Done> {
  const { format, filter, room } = wish
  const done: Done = { lines: 0, last: sink.after, complete: false }
  let progress: ReturnType<typeof openProgress> | undefined
  try {
    for (let newest: number | undefined; ; ) {
      const before = done.last
      const { header, text } = await client.open(pathOf({ ...filter, after: String(before) }))
      newest ??= Number(header('x-cordon-newest-line') ?? 0)
      progress ??= openProgress(io, 'exported', newest - sink.after)
      let heading = format === 'csv'
      for await (const page of wholeLines(text)) {
        const head = heading ? page.shift() : undefined
        heading = false
        if (head !== undefined && sink.bytes === 0) await sink.write(head)
        const fits = fitting(page, room - sink.bytes, sink.begun ? 0 : 1)
        const last = page[fits - 1]
        if (last !== undefined) {
          await sink.write(page.slice(0, fits).join(''))
          done.last = seqOf(format, last)
          done.lines += fits
          sink.begun = true
        }
        progress.at(done.last - sink.after)
        if (fits < page.length) return done
      }
      if (done.last === before || done.last >= newest) return { ...done, complete: true }
    }
  } catch (error) {
    await sink.leave?.()
    throw brokenOff(error, wish.file, done.last)
  } finally {
    progress?.end()
  }
}

function pathOf(query: Filter): string {
  return `/v1/journal/export${queryOf(query)}`
}

/** How many of the lines fit into the room; at least so many go in any case, so that every export gets on. */
function fitting(lines: readonly string[], room: number, least: number): number {
  let left = room
  const over = lines.findIndex((line) => {
    left -= Buffer.byteLength(line)
    return left < 0
  })
  return over < 0 ? lines.length : Math.max(over, least)
}

/** Each with its line feed. What is left at the end of a text that was not broken off is nothing. */
async function* wholeLines(text: AsyncIterable<string>): AsyncGenerator<string[]> {
  let rest = ''
  for await (const piece of text) {
    const lines = (rest + piece).split(/(?<=\n)/)
    rest = lines.at(-1)?.endsWith('\n') ? '' : (lines.pop() ?? '')
    if (lines.length > 0) yield lines
  }
}

/** The number of the first line that such an export holds. */
async function firstLine(client: Client, format: Format, filter: Filter, after: number) {
  const query = { ...filter, after: String(after), limit_bytes: '1' }
  for await (const page of wholeLines((await client.open(pathOf(query))).text)) {
    const line = page.find((_, at) => format === 'ndjson' || at > 0)
    if (line !== undefined) return seqOf(format, line)
  }
  return undefined
}

function toOutput(io: Io, after: number): Sink {
  const sink = {
    after,
    begun: false,
    bytes: 0,
    write: async (text: string) => {
      io.out(text)
      sink.bytes += Buffer.byteLength(text)
    },
  }
  return sink
}

function tell(asked: Asked, io: Io, file: string | undefined, done: Done & { bytes: number }) {
  const { lines, last, complete } = done
  const where = file === undefined ? '' : ` to ${file}`
  const rest = complete ? 'that is all there is' : `there is more: go on with --after ${last}`
  const text = `exported ${lines} lines${where}, up to line ${last}; ${rest}\n`
  if (file === undefined) io.err(text)
  else answer(asked, io, { file, ...done }, () => text)
}

function brokenOff(error: unknown, file: string | undefined, last: number): Problem {
  const { code, message, remedy } = toProblem(error)
  const on = file === undefined ? `go on with --after ${last}` : 'run the same again: it goes on'
  const text = `the export ended after line ${last}: ${message}`
  return new Problem(code, text, { remedy: remedy ? `${remedy}; ${on}` : on, cause: error })
}

function readAfter(asked: Asked): number {
  const text = asked.option('after') ?? '0'
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Problem('usage', `journal export: --after takes the number of a line, not "${text}"`)
}

/** Bytes: `5000`, `500k`, `100M`, `2G`. */
function readSize(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  const [, digits, unit = ''] = /^([1-9]\d{0,11})([kmg]?)$/i.exec(text) ?? []
  if (digits === undefined)
    throw new Problem('usage', `journal export: --max-bytes takes bytes, not "${text}"`, {
      remedy: 'write a number such as 5000, 500k, 100M or 2G',
    })
  return Number(digits) * 1_024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase())
}

/** A time, a day, or how long ago. */
export function readMoment(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined
  const ms = readTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  return printTime(ms ?? now - readDuration(text))
}
