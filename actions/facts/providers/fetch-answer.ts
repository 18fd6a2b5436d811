/** One HTTPS request to a provider of intelligence: bounded in time and size, and silent about what was sent. */
import type { HttpAnswer, LookupFetch, LookupRequest } from '#contract/connector.ts'
import { printDuration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'

/** The largest that a vendor is known to send, a report of all engines with its whois text, has a tenth of it. */
const mostBytes = 1_048_576

export type Fetch = LookupFetch

/** Throws `service_unreachable` and `too_large`. Errors of the network may hold what was sent: only their codes are passed on. */
export async function fetchAnswer(
  fetch: Fetch,
  provider: string,
  request: LookupRequest,
  waitMs: number,
  closing: AbortSignal,
): Promise<HttpAnswer> {
  const late = AbortSignal.timeout(waitMs)
  try {
    const response = await fetch(request.url, {
      method: request.method ?? 'GET',
      body: request.body ?? null,
      headers: { ...request.headers },
      // Whoever stands in between must not send the key elsewhere.
      redirect: 'manual',
      signal: AbortSignal.any([late, closing]),
    })
    const headers = Object.fromEntries(response.headers)
    return { status: response.status, headers, body: await readText(provider, response) }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('service_unreachable', `${provider} ${why(error, waitMs, late, closing)}`, {
      remedy: 'check the way out from here to the vendor: name, proxy, firewall, certificates',
    })
  }
}

async function readText(provider: string, { body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  if (body === null) return text
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > mostBytes)
      throw new Problem('too_large', `${provider} sent more than ${mostBytes} bytes`, {
        remedy: 'check base_url: this is no answer about one address',
      })
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function why(error: unknown, waitMs: number, late: AbortSignal, closing: AbortSignal): string {
  if (closing.aborted) return 'is not asked any more: the service stops'
  if (late.aborted) return `did not answer within ${printDuration(waitMs)}`
  return `cannot be reached: ${codeOf(error) ?? 'the connection failed'}`
}

/** Such as ECONNREFUSED, ENOTFOUND, CERT_HAS_EXPIRED; it stands in the error or in its cause. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return codeOf(error.cause)
}
