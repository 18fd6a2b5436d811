/** When an authentication token of Splunk ends: it is a JWT, whose claims its owner can read. */
import { isObject } from '../read-path.ts'

/** Epoch milliseconds; undefined for a token without an end, or whose end cannot be read. */
export function tokenEnd(token: string): number | undefined {
  const claims = claimsOf(token.split('.')[1] ?? '')
  const seconds = isObject(claims) ? claims.exp : undefined
  return typeof seconds === 'number' && Number.isSafeInteger(seconds) && seconds > 0
    ? seconds * 1_000
    : undefined
}

function claimsOf(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    // No JWT: then Splunk alone knows.
    return undefined
  }
}
