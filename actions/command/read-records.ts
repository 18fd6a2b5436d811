/** Records of a file or of standard input: lines of a log, one JSON value, or an array of them. */
import { createReadStream, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { Problem } from '#contract/problem.ts'
import type { Io } from './command.ts'

/** A line stays text, so that it is kept verbatim; `end` is the byte after the record where that is known. */
export type FileRecord = { record: unknown; end: number }

/** One JSON value over several lines is read into memory, unlike lines. */
const largestValue = 64 * 1024 * 1024

/** Bytes of the file; undefined for what has no size, such as standard input. Throws `not_found`. */
export function sizeOf(path: string): number | undefined {
  if (path === '-') return undefined
  try {
    const found = statSync(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    throw cannotRead(path, error)
  }
}

/** Throws `not_found`, `malformed_json` for what begins as JSON and is none, `too_large`. */
export async function* readRecords(path: string, io: Io): AsyncGenerator<FileRecord> {
  const input = path === '-' ? Readable.from(io.stdin()) : createReadStream(path)
  const lines = readLines(path, input)
  let whole: string[] | undefined
  let [first, end, held] = [true, 0, 0]
  for await (const line of lines) {
    end += Buffer.byteLength(line) + 1
    if (whole) {
      whole.push(line)
      held += line.length
      if (held > largestValue) throw tooLarge(path)
    } else if (line.trim() !== '') {
      if (first && isOpenValue(line)) whole = [line]
      else yield { record: line, end }
      first = false
    }
  }
  if (whole) for (const record of parseWhole(path, whole.join('\n'))) yield { record, end }
}

/** What fails while it is read fails with its name, whether the lines end then or throw. */
async function* readLines(path: string, input: Readable): AsyncGenerator<string> {
  let broken: unknown
  input.once('error', (error) => {
    broken = error
  })
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    broken ??= error
  }
  if (broken !== undefined) throw cannotRead(path, broken)
}

/** An array, or an object that goes on in the next line. */
function isOpenValue(line: string): boolean {
  const text = line.trim()
  if (text.startsWith('[')) return isJson(text) || !/^\[\w/.test(text)
  return text.startsWith('{') && !isJson(text)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function parseWhole(path: string, text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : [value]
  } catch (error) {
    throw new Problem('malformed_json', `${path} begins as JSON and is none`, {
      remedy: 'give one JSON object, an array of them, or one record a line',
      cause: error,
    })
  }
}

function cannotRead(path: string, cause: unknown): Problem {
  return new Problem('not_found', `cannot read ${path}`, {
    remedy: 'check the path and that this user may read it; - is standard input',
    cause,
  })
}

function tooLarge(path: string): Problem {
  return new Problem('too_large', `${path} is one JSON value of more than ${largestValue} bytes`, {
    remedy: 'write one record a line: jq -c ".[]"',
  })
}
