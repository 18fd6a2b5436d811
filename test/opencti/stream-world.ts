/** Indicators and events of a live stream, as the platform writes them. */
import { createHash } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { Held } from '#contract/connector.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { followStream } from '../../connectors/opencti-stream/follow.ts'
import { Settings } from '../../connectors/opencti-stream/settings.ts'
import {
  extension,
  openStreamDouble,
  type Stix,
  type StreamDouble,
  streamId,
  token,
} from '../doubles/opencti-stream.ts'

/** 2026-03-01T10:00:00Z */
export const startOfStream = Date.UTC(2026, 2, 1, 10)

export function patternOf(...values: string[]): string {
  const parts = values.map(
    (value) => `${value.includes(':') ? 'ipv6' : 'ipv4'}-addr:value = '${value}'`,
  )
  return `[${parts.join(' OR ')}]`
}

/** The id follows from the pattern, as on the platform (not the same id). */
export function indicatorId(pattern: string): string {
  const hex = createHash('sha256').update(pattern).digest('hex')
  return `indicator--${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export function indicator(
  pattern: string,
  more: Record<string, unknown> = {},
  inside: Record<string, unknown> = {},
): Stix {
  return {
    id: indicatorId(pattern),
    spec_version: '2.1',
    type: 'indicator',
    extensions: {
      [extension]: {
        extension_type: 'property-extension',
        id: '3f0b6a0e-7a3c-4c55-9d4e-0a1b2c3d4e5f',
        type: 'Indicator',
        is_inferred: false,
        creator_ids: ['88ec0c6a-13ce-5e39-b486-354fe4a7084f'],
        detection: true,
        score: 80,
        main_observable_type: 'IPv4-Addr',
        ...inside,
      },
    },
    created: '2026-03-01T10:00:00.000Z',
    modified: '2026-03-01T10:00:00.000Z',
    revoked: false,
    confidence: 80,
    labels: ['ssh-bruteforce'],
    object_marking_refs: ['marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da'],
    name: 'a scanner',
    indicator_types: ['malicious-activity'],
    pattern,
    pattern_type: 'stix',
    valid_from: '2026-03-01T10:00:00.000Z',
    valid_until: '2026-06-01T00:00:00.000Z',
    ...more,
  }
}

export type More = { type?: string; origin?: object; context?: object; at?: number }

/** `at` is seconds after the start; it is the event's id too. */
export function event(
  name: string,
  data: Stix,
  { at = 1, type = name, origin, context }: More = {},
) {
  return {
    id: `${startOfStream + at * 1_000}-0`,
    event: name,
    data: {
      version: '4',
      type,
      scope: 'external',
      message: `${type}s something`,
      origin: origin ?? { socket: 'query', user_id: '88ec0c6a-13ce-5e39-b486-354fe4a7084f' },
      data,
      ...(context && { context }),
    },
  }
}

/** So many seconds after the start. */
export const modified = (at: number) => ({
  modified: new Date(startOfStream + at * 1_000).toISOString(),
})

export function settingsFor({ url }: StreamDouble, more: Record<string, unknown> = {}) {
  return Settings.parse({ url, token, stream: streamId, ...more })
}

export async function openDouble(t: TestContext): Promise<StreamDouble> {
  const double = await openStreamDouble()
  double.first = `${startOfStream - 3_600_000}-0`
  t.after(() => double.close())
  return double
}

export type Reader = {
  records: unknown[]
  problems: Problem[]
  cursors: string[]
  /** Resolves once it holds; asked after every page and problem. */
  until(holds: () => boolean): Promise<void>
  stop(): Promise<void>
}

/** Follows as the service does, without its pauses: begins anew after a problem from the last cursor. */
export function startReader(
  settings: Settings,
  {
    cursor,
    held,
    now = Date.now,
    mostProblems = 20,
  }: { cursor?: string; held?: Held; now?: () => number; mostProblems?: number } = {},
): Reader {
  const stop = new AbortController()
  const source = followStream(settings, now)
  const waiting: { holds: () => boolean; done: () => void }[] = []
  const reader = { records: [] as unknown[], problems: [] as Problem[], cursors: [] as string[] }
  const look = () => {
    for (const { holds, done } of waiting) if (holds()) done()
  }
  const run = async () => {
    let from = cursor
    while (!stop.signal.aborted && reader.problems.length < mostProblems)
      try {
        for await (const page of source.follow(from, stop.signal, held)) {
          reader.records.push(...page.records)
          reader.cursors.push(page.cursor)
          from = page.cursor
          look()
        }
      } catch (error) {
        reader.problems.push(toProblem(error))
        look()
      }
  }
  const running = run()
  return {
    ...reader,
    until: (holds) =>
      new Promise((done) => {
        if (holds()) done()
        else waiting.push({ holds, done })
      }),
    stop: async () => {
      stop.abort()
      await running
    },
  }
}
