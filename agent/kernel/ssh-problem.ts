/** Why there is no connection to a host, from the words of the SSH client, with what to do about it. */
import { Problem } from '#contract/problem.ts'
import { keyFault } from './ssh-key.ts'
import type { SshTo } from './ssh-line.ts'

type To = Pick<SshTo, 'host' | 'key' | 'knownHosts'>

export function sshProblem({ host, key, knownHosts }: To, errors: string): Problem {
  const cause = new Error(plain(errors) || 'the connection ended')
  if (/IDENTIFICATION HAS CHANGED|Host key verification failed|key is known|revoked/i.test(errors))
    return untrusted({ host, knownHosts }, errors, cause)
  const isOfKey =
    /UNPROTECTED PRIVATE KEY|bad permissions|Permission denied|Too many authentication failures|no such identity|Identity file .* not accessible|invalid format|error in libcrypto/i
  if (isOfKey.test(errors)) return ofKey({ host, key }, errors, cause)
  return new Problem('host_unreachable', `there is no connection to ${host} by SSH`, {
    remedy:
      'check that it runs and lets SSH in from here; its kernel ends blocks by itself meanwhile',
    cause,
  })
}

/** The key that was shown is what has to be compared; all else of the client's warning is of no use here. */
function untrusted({ host, knownHosts }: Omit<To, 'key'>, errors: string, cause: Error): Problem {
  const [shown] = /SHA256:[\w+/]+/.exec(errors) ?? []
  const message = shown
    ? `${host} did not show the key that ${knownHosts} holds, but ${shown}`
    : /key is known/i.test(errors)
      ? `${knownHosts} holds no key of ${host}`
      : `the key that ${host} showed is not one to trust by ${knownHosts}`
  return new Problem('host_untrusted', message, {
    remedy: `if it is a new host or has a new key, compare it there (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then write it: ssh-keyscan HOST > ${knownHosts}; if not, somebody stands between`,
    ...(!shown && { cause }),
  })
}

function ofKey({ host, key }: Omit<To, 'knownHosts'>, errors: string, cause: Error): Problem {
  const fault = keyFault(key)
  if (!fault && /UNPROTECTED PRIVATE KEY|bad permissions/i.test(errors))
    return new Problem('setting_invalid', `others can read the key ${key}`, {
      remedy: `run: chmod 600 ${key}`,
    })
  if (fault || /no such identity|not accessible|invalid format|libcrypto/i.test(errors))
    return new Problem('setting_invalid', fault ?? `the key ${key} cannot be used`, {
      remedy: `name a private key without a passphrase in ssh_key, or make one: ssh-keygen -t ed25519 -N '' -f FILE`,
      cause,
    })
  return new Problem('unauthenticated', `${host} does not let the key ${key} in`, {
    remedy: `put ${key}.pub into ~/.ssh/authorized_keys of that user there`,
    cause,
  })
}

/** Without the frames of its warnings. */
function plain(errors: string): string {
  return errors
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('@'))
    .join('; ')
    .slice(0, 1_000)
}
