/** The service's TLS certificate: the files that were given, or an own one that nodes pin by its key. */
import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Problem } from '#contract/problem.ts'
import type { ServiceSettings } from './settings.ts'

/** `pin` is the hex SHA-256 of the public key (SPKI, DER): it outlives a renewal with the same key. */
export type Certificate = { cert: string; key: string; pin: string }

/** An own certificate is renewed, with the same key, when less than this is left. */
const renewBeforeMs = 30 * 24 * 3_600_000
const lifeMs = 397 * 24 * 3_600_000

/**
 * Undefined where plain HTTP is allowed and no files are given. Throws `setting_invalid` for files that cannot be
 * used.
 */
export async function chooseCertificate(
  settings: Pick<ServiceSettings, 'tls_cert' | 'tls_key' | 'public_url' | 'data_dir'>,
  host: string,
  plainAllowed: boolean,
  now: number,
): Promise<Certificate | undefined> {
  const { tls_cert, tls_key, public_url } = settings
  if (tls_cert !== undefined && tls_key !== undefined) return givenCertificate(tls_cert, tls_key)
  if (tls_cert !== undefined || tls_key !== undefined)
    throw new Problem('setting_invalid', 'tls_cert and tls_key are given together or not at all', {
      remedy: 'set both CORDON_TLS_CERT and CORDON_TLS_KEY',
    })
  if (plainAllowed) return undefined
  const named = public_url === undefined ? [] : [new URL(public_url).hostname.replace(/[[\]]/g, '')]
  return ownCertificate(settings.data_dir, [...named, hostname(), host], now)
}

function givenCertificate(certFile: string, keyFile: string): Certificate {
  try {
    const cert = readFileSync(certFile, 'utf8')
    const key = readFileSync(keyFile, 'utf8')
    return { cert, key, pin: pinOf(cert) }
  } catch (error) {
    throw new Problem(
      'setting_invalid',
      `the certificate ${certFile} or its key ${keyFile} cannot be used`,
      {
        remedy: 'check that both are PEM files that this user may read',
        cause: error,
      },
    )
  }
}

/** Kept in the data directory; `names` are the host names and addresses that it is for. */
async function ownCertificate(
  dir: string,
  names: readonly string[],
  now: number,
): Promise<Certificate> {
  const certFile = join(dir, 'tls.crt')
  const keyFile = join(dir, 'tls.key')
  if (existsSync(certFile) && existsSync(keyFile)) {
    const known = givenCertificate(certFile, keyFile)
    if (new X509Certificate(known.cert).validToDate.getTime() - now > renewBeforeMs) return known
  }
  const made = await make(
    names,
    now,
    existsSync(keyFile) ? readFileSync(keyFile, 'utf8') : undefined,
  )
  writeFileSync(keyFile, made.key, { mode: 0o600 })
  writeFileSync(certFile, made.cert, { mode: 0o644 })
  return made
}

async function make(
  names: readonly string[],
  now: number,
  key: string | undefined,
): Promise<Certificate> {
  const { generate } = await import('selfsigned')
  const altNames = names.map((name) =>
    isIP(name) === 0 ? { type: 2 as const, value: name } : { type: 7 as const, ip: name },
  )
  const made = await generate([{ name: 'commonName', value: names[0] ?? 'cordon' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - 3_600_000),
    notAfterDate: new Date(now + lifeMs),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'subjectAltName', altNames },
    ],
    ...(key !== undefined && { keyPair: await keyPair(key) }),
  })
  return { cert: made.cert, key: made.private, pin: pinOf(made.cert) }
}

async function keyPair(privateKey: string) {
  const { createPrivateKey, createPublicKey } = await import('node:crypto')
  const publicKey = createPublicKey(createPrivateKey(privateKey)).export({
    type: 'spki',
    format: 'pem',
  })
  return { privateKey, publicKey: publicKey.toString() }
}

function pinOf(cert: string): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(spki).digest('hex')
}
