/** Whether a host can be reached, and over TLS proves who it is: connects, says nothing, and closes. */
import net from 'node:net'
import tls from 'node:tls'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'

export type Place = {
  /** A name or an address; IPv6 without brackets. */
  host: string
  port: number
  tls: boolean
  /** PEM of an authority that is trusted instead of the public ones. */
  ca?: string | undefined
}

/** The host and port of a web address. */
export function placeOf({ hostname, port, protocol }: URL, ca?: string): Place {
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: port === '' ? (secure ? 443 : 80) : Number(port), tls: secure, ca }
}

/** What was found, as a sentence. Throws `service_unreachable`, and `untrusted_service` for a certificate that is not believed. */
export async function reach(place: Place, limitMs: number, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const { host, port, ca } = place
  const socket = place.tls
    ? tls.connect({ host, port, ...(ca !== undefined && { ca }), ...serverName(host) })
    : net.connect({ host, port })
  const cut = () => socket.destroy(new DOMException('', 'TimeoutError'))
  socket.on('error', (error) => reject(unreachable(place, error)))
  socket.on(place.tls ? 'secureConnect' : 'connect', () => resolve(foundOn(socket)))
  limit.addEventListener('abort', cut, { once: true })
  if (limit.aborted) cut()
  try {
    return await promise
  } finally {
    limit.removeEventListener('abort', cut)
    socket.destroy()
  }
}

/** TLS names no addresses. */
function serverName(host: string): { servername?: string } {
  return net.isIP(host) === 0 ? { servername: host } : {}
}

function foundOn(socket: net.Socket): string {
  if (!(socket instanceof tls.TLSSocket)) return 'reached'
  const { valid_to: until } = socket.getPeerCertificate()
  const time = Date.parse(until)
  const end = Number.isNaN(time) ? '' : ` until ${new Date(time).toISOString().slice(0, 10)}`
  return `reached over ${socket.getProtocol()}, its certificate is good${end}`
}

function unreachable({ host, port }: Place, error: Error): Problem {
  const at = printable(`${host}:${port}`)
  const code = 'code' in error ? String(error.code) : error.name
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return new Problem('untrusted_service', `${at} does not speak TLS`, {
      remedy: 'check the port, and whether plain text is meant to be spoken there',
    })
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return new Problem('untrusted_service', `${at} did not prove who it is: ${code}`, {
      remedy: 'give its authority in ca, mostly as a file',
    })
  if (error instanceof DOMException)
    return new Problem('service_unreachable', `${at} did not answer in time`, {
      remedy: 'see whether a firewall drops what goes there from this machine',
    })
  return new Problem('service_unreachable', `cannot reach ${at}: ${code}`, {
    remedy: remedies[code] ?? 'check that it runs and that this machine may reach it',
  })
}

const remedies: Readonly<Record<string, string>> = {
  ENOTFOUND: 'check the name, and the name servers of this machine',
  EAI_AGAIN: 'the name servers of this machine do not answer',
  ECONNREFUSED: 'nobody listens there: check the port, and that it runs',
}
