/** Recognises the service by its certificate's public key: no authority in between has to be trusted. */
import { createHash } from 'node:crypto'
import type { AgentOptions } from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import tls from 'node:tls'
import { untrusted } from './untrusted.ts'

/** For all of it: one that only trickles is never idle. */
const handshakeMs = 10_000

/** Without a pin the system's authorities are trusted. Throws as `fetchCertificate`. */
export async function secureAgent(
  base: URL,
  pin: string | undefined,
  options: AgentOptions,
): Promise<https.Agent> {
  return new https.Agent(
    pin === undefined
      ? { ...options, rejectUnauthorized: true }
      : { ...options, ...(await fetchCertificate(base, pin)) },
  )
}

/**
 * Options under which only this certificate is trusted. Fetched by a handshake that sends nothing. Throws
 * `untrusted_service` when its key is not the pinned one, or what the network says.
 */
export async function fetchCertificate(
  base: URL,
  pin: string,
  withinMs = handshakeMs,
): Promise<tls.ConnectionOptions> {
  const certificate = await handshake(base, withinMs)
  if (spki(certificate.publicKey) !== pin)
    throw untrusted(`the certificate of ${base.host} has another key than the one that was pinned`)
  return {
    // Said here so that no environment variable can say otherwise.
    rejectUnauthorized: true,
    ca: [certificate.toString()],
    allowPartialTrustChain: true,
    // The key was compared; the name in the certificate adds nothing to that.
    checkServerIdentity: () => undefined,
  }
}

function handshake(base: URL, withinMs: number) {
  const { promise, resolve, reject } =
    Promise.withResolvers<NonNullable<ReturnType<tls.TLSSocket['getPeerX509Certificate']>>>()
  const host = base.hostname.replace(/^\[|\]$/g, '')
  const name = isIP(host) ? {} : { servername: host }
  const socket = tls.connect({
    host,
    port: Number(base.port || 443),
    rejectUnauthorized: false,
    ...name,
  })
  const late = () => socket.destroy(new Error(`no TLS handshake in ${withinMs / 1_000} s`))
  const timer = setTimeout(late, withinMs).unref()
  socket.on('close', () => clearTimeout(timer))
  socket.on('error', reject)
  socket.on('secureConnect', () => {
    const certificate = socket.getPeerX509Certificate()
    socket.destroy()
    if (certificate) resolve(certificate)
    else reject(untrusted(`${base.host} showed no certificate`))
  })
  return promise
}

/** Hex SHA-256 of the public key in DER. */
function spki(key: { export(options: { type: 'spki'; format: 'der' }): Buffer }): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
