/** What is wrong with the private key of an agent: of most of it the SSH client only says that the host denied it. */
import { readFileSync } from 'node:fs'

/** Undefined when nothing shows. */
export function keyFault(path: string): string | undefined {
  const text = read(path)
  if (text === undefined) return `the key ${path} cannot be read`
  if (!/^-----BEGIN (\w+ )*PRIVATE KEY-----/m.test(text)) return `${path} holds no private key`
  return isLocked(text) ? `the key ${path} has a passphrase` : undefined
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** OpenSSH's own format names the cipher after its magic word and a length; the older ones say it in a header. */
function isLocked(text: string): boolean {
  if (text.includes('ENCRYPTED')) return true
  const body = Buffer.from(text.replaceAll(/-----[^-]+-----/g, ''), 'base64').toString('latin1')
  return body.startsWith('openssh-key-v1\0') && body.slice(19, 23) !== 'none'
}
