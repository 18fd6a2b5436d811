/** Runs a search and hands on its rows as they come: one JSON object a line, over one long answer. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import type { Clock } from '../clock.ts'
import { openFetch } from '../open-fetch.ts'
import type { JsonObject } from '../read-path.ts'
import { isObject } from '../read-path.ts'
import { readAccount } from './account.ts'
import { messagesIn } from './messages.ts'
import { readStart } from './read-start.ts'
import { refused } from './refused.ts'
import type { Settings } from './settings.ts'

/** Characters; no row of results is that long. */
const longestLine = 4_194_304
/** Characters of an answer that says why. */
const mostRead = 10_000

/** Epoch milliseconds; `latest` itself is not searched. */
type Run = { spl: string; earliest: number; latest: number }
type RunSearch = (run: Run, stop: AbortSignal) => AsyncIterable<JsonObject>

/** Throws `setting_invalid`; what it returns throws a Problem when a search fails or breaks off, also after some rows. */
export function openSplunk(settings: Settings, clock: Clock): RunSearch {
  const { appUrl, authorization } = readAccount(settings)
  const url = appUrl('search/v2/jobs/export')
  const fetch = openFetch(settings.ca)
  return async function* rowsOf(run, stop) {
    const silence = watchSilence(settings.timeout)
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
        body: formOf(run),
        signal: AbortSignal.any([stop, silence.signal]),
      })
      if (answer.status !== 200)
        throw refused(answer.status, await readStart(answer, mostRead), settings, clock.now())
      for await (const line of linesOf(answer.body ?? [], silence.heard))
        yield* rowIn(line, settings.every)
    } catch (error) {
      throw brokenOff(silence.signal.aborted ? silence.signal.reason : error)
    } finally {
      silence.end()
    }
  }
}

function formOf({ spl, earliest, latest }: Run): string {
  return new URLSearchParams({
    search: spl,
    earliest_time: String(earliest / 1_000),
    latest_time: String(latest / 1_000),
    output_mode: 'json',
    preview: 'false',
  }).toString()
}

/** By a warning only: an indexer that is down, or a job that ran into a limit. Rows would be missing, and never come. */
const incomplete = /\bincomplete\b|auto-?finali[sz]ed/i

/** Previews are sent by some versions also when they are not asked for. */
function* rowIn(line: string, retryMs: number): Generator<JsonObject, void> {
  if (line.trim() === '') return
  const value = parse(line)
  const messages = messagesIn(value)
  const fatal = messages.find(({ type }) => /^(ERROR|FATAL)$/i.test(type))
  if (fatal)
    throw new Problem('invalid_input', `splunk says of the search: ${printable(fatal.text, 200)}`, {
      remedy: 'run the search in Splunk over the same time, and see its job inspector',
    })
  const partly = messages.find(({ text }) => incomplete.test(text))
  if (partly) throw notAll(partly.text, retryMs)
  if (value.preview !== true && isObject(value.result)) yield value.result
}

function notAll(said: string, retryMs: number): Problem {
  return new Problem(
    'service_unreachable',
    `splunk did not search everything: ${printable(said, 200)}`,
    {
      remedy:
        'see its indexers and the job inspector, or set a shorter longest_window; it is run again over the same time by itself',
      retryMs,
    },
  )
}

async function* linesOf(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  heard: () => void,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    heard()
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > longestLine)
      throw new Problem('too_large', 'splunk sent a row longer than 4 MiB', {
        remedy: 'leave out _raw and other large fields: end the search with | fields',
      })
  }
  yield rest + decoder.decode()
}

function parse(line: string): JsonObject {
  try {
    const value: unknown = JSON.parse(line)
    if (isObject(value)) return value
  } catch {
    // Said below, as for JSON that is no object.
  }
  throw new Problem('malformed_json', 'splunk sent a row that is no JSON object, or cut one', {
    remedy: 'check host and port (of the management interface), and what stands in between',
  })
}

function brokenOff(error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('service_unreachable', 'the answer of splunk broke off', {
    remedy: 'the search is run again by itself; see what stands between here and splunk',
    cause: error,
  })
}

/** Aborts when nothing was heard for so long; a search may run longer than that. */
function watchSilence(ms: number): { signal: AbortSignal; heard(): void; end(): void } {
  const silent = new AbortController()
  const timer = setTimeout(() => {
    silent.abort(
      new Problem('service_unreachable', 'splunk was silent for too long', {
        remedy: 'make the search faster, or set a longer timeout',
      }),
    )
  }, ms)
  return { signal: silent.signal, heard: () => timer.refresh(), end: () => clearTimeout(timer) }
}
