/** Points in time on the wire: RFC 3339 in UTC with milliseconds in records, epoch milliseconds in signed actions. */
import { z } from 'zod'

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$/

/**
 * Epoch milliseconds of an RFC 3339 time; also takes an offset without colon, as Wazuh and Suricata
 * write it. Undefined for text without a zone or that is no time.
 */
export function readTime(text: string): number | undefined {
  if (!rfc3339.test(text)) return undefined
  const ms = Date.parse(text.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'))
  return Number.isNaN(ms) ? undefined : ms
}

/** `2026-03-01T01:02:03.456Z` */
export function printTime(ms: number): string {
  return new Date(ms).toISOString()
}

export const TimeText = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
  .refine((text) => !Number.isNaN(Date.parse(text)), 'no day or hour of any calendar')
  .meta({ description: 'RFC 3339, UTC, milliseconds', example: '2026-03-01T01:02:03.456Z' })

/** The last moment that a date can be. */
export const latestMs = 8.64e15

/** Milliseconds since 1970-01-01 UTC. (The JWT's own `iat` and `exp` are seconds, as RFC 7519 says.) */
export const EpochMs = z.int().nonnegative().max(latestMs)
