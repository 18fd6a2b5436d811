/**
 * Doubles of AbuseIPDB, VirusTotal and GreyNoise over real HTTP on loopback, in the vendors' shapes.
 *
 * What they do not imitate: TLS and HTTP/2 of the real ends, their load balancers and captchas, compression, answers
 * of tens of kilobytes with all engines and reports, real counting of a quota (a test says when it is spent), the other
 * endpoints, and whatever of the shapes is in no vendor's documentation.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { generate } from 'selfsigned'
import { openWeb } from '../web-server.ts'

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void

export type Double = {
  url: string
  /** Paths with their queries, in the order of arrival. */
  asked: string[]
  /** What it does with the requests from now on. */
  does(behaviour: Behaviour): void
  close(): Promise<void>
}

export const key = 'k3y-that-nobody-may-see'

export async function openDouble(t: TestContext, secure = false): Promise<Double> {
  const asked: string[] = []
  let behaviour: Behaviour = asVendor()
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.url ?? '')
    behaviour(request, response)
  }
  const web = await openWeb(serve, secure ? await ownCertificate() : undefined)
  t.after(web.close)
  return {
    ...{ url: web.url, asked, close: web.close },
    does: (next) => {
      behaviour = next
    },
  }
}

/** As the vendor whose path is asked for; `score` of 0 to 100 is what it thinks of the address. */
export function asVendor(score = 100, headers: Record<string, string> = {}): Behaviour {
  return (request, response) => {
    const url = new URL(request.url ?? '', 'http://double')
    const last = decodeURIComponent(url.pathname.split('/').at(-1) ?? '')
    const given = request.headers.key ?? request.headers['x-apikey']
    if (given !== key) return send(response, 401, { message: 'unauthorized' })
    if (url.pathname.endsWith('/check'))
      return send(response, 200, abuseipdb(url.searchParams.get('ipAddress') ?? '', score), headers)
    if (url.pathname.startsWith('/ip_addresses/'))
      return send(response, 200, virustotal(last, score), headers)
    if (url.pathname.startsWith('/v3/community/'))
      return send(response, 200, greynoise(last, score), headers)
    send(response, 404, { message: 'no such path' })
  }
}

export function answering(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Behaviour {
  return (_, response) => send(response, status, body, headers)
}

/** The socket stays open and nothing comes. */
export const never: Behaviour = () => {}

/** Half of an answer, and then nothing more. */
export const stuck: Behaviour = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write('{"data":{"ipAddress":')
}

/** Answers with what comes after `open` was called. */
export function held(then: Behaviour): { behaviour: Behaviour; open(): void } {
  const gate = Promise.withResolvers<void>()
  return {
    behaviour: (request, response) => void gate.promise.then(() => then(request, response)),
    open: () => gate.resolve(),
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

export function abuseipdb(ipAddress: string, score: number) {
  return {
    data: {
      ipAddress,
      isPublic: true,
      ipVersion: ipAddress.includes(':') ? 6 : 4,
      isWhitelisted: null,
      abuseConfidenceScore: score,
      countryCode: 'NL',
      usageType: null,
      isp: 'Example Hosting',
      domain: 'example.net',
      hostnames: [],
      isTor: false,
      totalReports: score,
      numDistinctUsers: score,
      lastReportedAt: '2026-02-27T20:55:14+00:00',
    },
  }
}

function virustotal(id: string, score: number) {
  const malicious = Math.round(score / 20)
  const stats = { harmless: 60, malicious, suspicious: 0, undetected: 30, timeout: 0 }
  return { data: { id, type: 'ip_address', attributes: { last_analysis_stats: stats, tags: [] } } }
}

function greynoise(ip: string, score: number) {
  const classification = score > 50 ? 'malicious' : 'unknown'
  return { ip, noise: true, riot: false, classification, name: 'unknown', message: 'Success' }
}

async function ownCertificate(): Promise<{ key: string; cert: string }> {
  const made = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    algorithm: 'sha256',
    keyType: 'ec',
  })
  return { key: made.private, cert: made.cert }
}
