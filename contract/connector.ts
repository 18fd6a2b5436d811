/**
 * A plug-in that brings alerts in, is asked about addresses, or takes notices or results out. One folder
 * `connectors/<name>/` whose `connector.ts` exports `connector`; adding one edits nothing else.
 */
import type { z } from 'zod'
import type { ActiveResponse } from './active-response.ts'
import type { Alert } from './alert.ts'
import type { ChannelSettings } from './channel.ts'
import type { Intelligence } from './intelligence.ts'
import type { Knowledge } from './knowledge.ts'
import type { Notice } from './notice.ts'
import type { Problem } from './problem.ts'
import type { Sink } from './result.ts'
import type { Environment } from './settings.ts'
import type { Withdrawal } from './withdrawal.ts'

export type Connector<Settings = unknown> = {
  /** The folder's name; also the last part of `POST /v1/alerts/{connector}`. */
  name: string
  title: string
  /** Strict object; every field has a default or is optional, so that `{}` parses. */
  settings: z.ZodType<Settings>
  /**
   * By setting: names of the environment of another program that are understood where the setting is given nowhere. Or
   * what that environment says of the settings, where its words are others. Throws `setting_invalid`.
   */
  environment?: Readonly<Record<string, string>> | ((environment: Environment) => OtherNames)
  /**
   * One vendor record to alerts. Pure. A record is parsed JSON (pushed) or one line of text (followed).
   * A well-formed record that is no alert gives []. Several attackers give one alert each.
   * Throws a Problem (`malformed_json`, `invalid_input`) for what cannot be understood.
   */
  read?(record: unknown, context: ReadContext<Settings>): Alert[]
  /**
   * The records of one pushed body, for senders that put several into one object: each is then read by itself, so that one
   * that cannot be understood harms no other. Pure; throws as `read` does. Without it an array is taken as its records.
   */
  split?(body: unknown): unknown[]
  /**
   * What the same record takes back of what its source said by earlier alerts, which carry a `statement`. Pure; throws as
   * `read` does. Alerts and withdrawals of one statement take effect in the order of their records, those of one record
   * in this order: alerts first.
   */
  withdrawals?(record: unknown, context: ReadContext<Settings>): Withdrawal[]
  /**
   * What another product orders by this record. Pure. Throws a Problem for what cannot be understood and for a record
   * that names nobody.
   */
  order?(record: unknown, context: ReadContext<Settings>): ActiveResponse
  /** Where records can be fetched from without anybody pushing them. */
  sources?(settings: Settings): Source[]
  /** The provider as it is asked with these settings. */
  lookup?(settings: Settings): Lookup
  /** The way out as it is used with these settings. Throws `setting_invalid`. */
  publisher?(settings: Settings): Publisher
  /** Where results go; none without settings for it. Throws `setting_invalid`. */
  sinks?(settings: Settings): Sink[]
  /**
   * Tries everything that the settings name (addresses, keys, rights) and changes nothing anywhere: one finding for each
   * thing that has to work, in the order in which they depend on one another. Never throws.
   */
  test?(settings: Settings, signal: AbortSignal): Promise<Finding[]>
  /** What runs as long as the service does, such as a part that answers questions; none without settings for it. */
  serve?(settings: Settings, cordon: Cordon): Server[]
}

/** Settings by their own names, and what of the other program's environment is not heeded here, for a person. */
export type OtherNames = {
  given: Readonly<Record<string, unknown>>
  warnings: readonly string[]
}

/** One thing that was tried: what it is, and what was found or what is wrong. */
export type Finding = { what: string; found: string } | { what: string; problem: Problem }

export type ReadContext<Settings> = {
  settings: Settings
  /** Epoch milliseconds; the clock belongs to the caller. */
  now: number
}

/** A provider of intelligence that is asked over HTTPS about addresses. Pure: the caller asks, waits and remembers. */
export type Lookup = {
  /** Undefined when the provider cannot be asked about this address (a network, a family that it does not know). */
  request(address: string): LookupRequest | undefined
  /**
   * An answer of any status to what it says. Throws a Problem: `rate_limited` for a quota, `unauthenticated` for a
   * refused key, `invalid_input` for whatever is not in the provider's own shape: nothing is taken for clean.
   */
  read(answer: HttpAnswer, address: string): Intelligence
  /** What the headers say of the quota; undefined when they say nothing. */
  quota(answer: HttpAnswer, now: number): Quota | undefined
  /** Where one question may be about several addresses, each of which `request` knows: how it is put then. */
  many?: {
    /** Addresses in one question that is also about this one. */
    most(address: string): number
    request(addresses: readonly string[]): LookupRequest
    /** Throws as `read` does. Of whom it leaves out nothing is known: he is asked about again, with fewer others. */
    read(answer: HttpAnswer, addresses: readonly string[]): ReadonlyMap<string, Intelligence>
  }
  /** The quota without a word from the headers, such as 4 a minute and 500 a day. */
  limits: readonly { requests: number; perMs: number }[]
  /** How long an answer stays good. */
  keepMs: number
  /** How long one answer is waited for. */
  waitMs: number
  /** Why nobody can be asked with these settings, such as a missing key. */
  unusable?: Problem
  /** How it is reached when not as everybody, such as by an authority of its own. */
  fetch?: LookupFetch
}

/** A GET unless it says otherwise. */
export type LookupRequest = {
  url: string
  headers: Readonly<Record<string, string>>
  method?: 'POST'
  body?: string
}

export type LookupFetch = (
  url: string,
  init: {
    method: 'GET' | 'POST'
    headers: Record<string, string>
    body: string | null
    redirect: 'manual'
    signal: AbortSignal
  },
) => Promise<Response>

export type HttpAnswer = {
  status: number
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
  body: string
}

/** Nothing is asked before `until` (epoch milliseconds) once `left` is 0. */
export type Quota = { left: number; until: number }

/** Where notices go: a mailbox, a chat, somebody's web hook. */
export type Publisher = {
  /** Which notices it is for, and how patiently they are sent. */
  channel: ChannelSettings
  /**
   * One message for these notices, oldest first (one unless the settings ask for a digest). Throws a Problem:
   * `invalid_input` when to try again is of no use, any other code when it is, with `retryMs` where the other side says when.
   * No message holds a secret, nor an address that is one.
   */
  publish(notices: readonly Notice[], signal: AbortSignal): Promise<void>
  close?(): Promise<void>
}

export type Server = {
  /** Stable name, shown to people. */
  key: string
  /**
   * Until `stop`; `report` says how each piece of work went. Rejects with a Problem when it cannot go on; it never
   * starts again by itself, the service supervises.
   */
  run(stop: AbortSignal, report: (work: Worked) => void): Promise<void>
}
/** `ready`: it reached whom it serves. */
export type Worked = 'ready' | 'done' | Problem

/** What a connector that serves may ask of the service. */
export type Cordon = {
  /** Epoch milliseconds. */
  now(): number
  /** Throws `address_invalid`. */
  knowledge(address: string): Promise<Knowledge>
  /** What the connector keeps over restarts, a short text under a name of its own, for 90 days after it was last given. */
  recall(name: string): Promise<string | undefined>
  remember(name: string, text: string): Promise<void>
  /**
   * Answers a question for somebody of whom the connector has made sure; the journal calls him `<connector>/<by>`. Throws what
   * he is to be told: `conflict` when it waits no more, `not_found`, `protected_target`, and `forbidden` where only people
   * with tokens of their own may answer.
   */
  answer(decision: string, verb: 'approve' | 'decline', by: string, reason: string): Promise<void>
  /** Calls back after each record that was pushed to this connector, whatever was in it. Returns the way to stop that. */
  onPush(listener: () => void): () => void
}

/** One ordered stream of records with a place to go on from. */
export type Source = {
  /** Stable name: the durable cursor is kept under it. */
  key: string
  /**
   * Pages after the cursor (undefined at the very first start), until `stop`. Throws a Problem when it cannot
   * go on; it never retries by itself, the receiver supervises. A page may carry no records, only a cursor.
   */
  follow(from: string | undefined, stop: AbortSignal, held?: Held): AsyncIterable<Page>
}

/**
 * The statements of this connector that blocks, questions or alerts not yet judged stand on, in pieces: for a source
 * that has to ask which of them still hold.
 */
export type Held = () => AsyncIterable<readonly string[]>

/**
 * The cursor is stored only after the alerts of the page are. `trouble` is why nothing comes, while the source goes on by
 * itself; the next page without it says that this is over.
 */
export type Page = { records: unknown[]; cursor: string; trouble?: Problem }
