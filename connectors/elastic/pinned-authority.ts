/** The authority of a cluster by its fingerprint: taken from the cluster itself, then trusted in the ordinary way. */
import type { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { Problem } from '#contract/problem.ts'

/**
 * PEM of the certificate in the node's chain that has this SHA-256 fingerprint. Nothing is sent on this connection. The
 * vendor's client only compares, with verification switched off, and anybody can show a certificate that he does not
 * own; here the chain and the name are verified against what was found, on every connection that follows.
 * Throws `untrusted_service` and `service_unreachable`.
 */
export async function pinnedAuthority(
  node: string,
  fingerprint: string,
  timeoutMs: number,
): Promise<string> {
  for (const certificate of await chainOf(new URL(node), timeoutMs))
    if (plain(certificate.fingerprint256) === plain(fingerprint)) return certificate.toString()
  const { host } = new URL(node)
  throw new Problem('untrusted_service', `${host} shows no certificate with the fingerprint`, {
    remedy:
      'compare ca_fingerprint of elastic with that of http_ca.crt of the cluster, or kibana_ca_fingerprint with that of Kibana; somebody may stand in between',
  })
}

async function chainOf(
  { hostname, port, host: shown }: URL,
  timeoutMs: number,
): Promise<X509Certificate[]> {
  const { promise, resolve, reject } = Promise.withResolvers<X509Certificate[]>()
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false })
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')))
  socket.on('error', reject)
  socket.on('secureConnect', () => {
    const chain: X509Certificate[] = []
    let next = socket.getPeerX509Certificate()
    // A certificate that signed itself names itself as its issuer.
    while (next && !chain.some(({ fingerprint256 }) => fingerprint256 === next?.fingerprint256)) {
      chain.push(next)
      next = next.issuerCertificate
    }
    resolve(chain)
  })
  try {
    return await promise
  } catch (error) {
    throw new Problem('service_unreachable', `cannot reach ${shown}`, {
      remedy: 'check that it runs and that this machine may reach it',
      cause: error,
    })
  } finally {
    socket.destroy()
  }
}

function plain(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase()
}
