/**
 * A plug-in that brings alerts in. One folder `connectors/<name>/` whose `connector.ts` exports
 * `connector`; adding one edits nothing else.
 */
import type { z } from 'zod'
import type { Alert } from './alert.ts'

export type Connector<Settings = unknown> = {
  /** The folder's name; also the last part of `POST /v1/alerts/{connector}`. */
  name: string
  title: string
  /** Strict object; every field has a default or is optional, so that `{}` parses. */
  settings: z.ZodType<Settings>
  /**
   * One vendor record to alerts. Pure. A record is parsed JSON (pushed) or one line of text (followed).
   * A well-formed record that is no alert gives []. Several attackers give one alert each.
   * Throws a Problem (`malformed_json`, `invalid_input`) for what cannot be understood.
   */
  read(record: unknown, context: ReadContext<Settings>): Alert[]
  /** Where records can be fetched from without anybody pushing them. */
  sources?(settings: Settings): Source[]
}

export type ReadContext<Settings> = {
  settings: Settings
  /** Epoch milliseconds; the clock belongs to the caller. */
  now: number
}

/** One ordered stream of records with a place to go on from. */
export type Source = {
  /** Stable name: the durable cursor is kept under it. */
  key: string
  /**
   * Pages after the cursor (undefined at the very first start), until `stop`. Throws a Problem when it cannot
   * go on; it never retries by itself, the receiver supervises. A page may carry no records, only a cursor.
   */
  follow(from: string | undefined, stop: AbortSignal): AsyncIterable<Page>
}

/** The cursor is stored only after the alerts of the page are. */
export type Page = { records: unknown[]; cursor: string }
