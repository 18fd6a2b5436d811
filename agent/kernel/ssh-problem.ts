/** Why there is no connection to a host, from the words of the SSH client, with what to do about it. */
import { Problem } from '#contract/problem.ts'
import type { SshTo } from './ssh-line.ts'

type To = Pick<SshTo, 'host' | 'key' | 'knownHosts'>

export function sshProblem({ host, key, knownHosts }: To, errors: string): Problem {
  const cause = new Error(errors.trim().slice(0, 1_000) || 'the connection ended')
  if (/IDENTIFICATION HAS CHANGED|Host key verification failed|key is known|revoked/i.test(errors))
    return new Problem('host_untrusted', `${host} did not show the key that ${knownHosts} holds`, {
      remedy: `if it is a new host or has a new key, compare it there (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then write it: ssh-keyscan HOST > ${knownHosts}; if not, somebody stands between`,
      cause,
    })
  if (/UNPROTECTED PRIVATE KEY|bad permissions/i.test(errors))
    return new Problem('setting_invalid', `others can read the key ${key}`, {
      remedy: `run: chmod 600 ${key}`,
      cause,
    })
  if (
    /no such identity|Identity file .* not accessible|invalid format|error in libcrypto/i.test(
      errors,
    )
  )
    return new Problem('setting_invalid', `the key ${key} cannot be used`, {
      remedy: `make one without a passphrase: ssh-keygen -t ed25519 -N '' -f ${key}`,
      cause,
    })
  if (/Permission denied|Too many authentication failures/i.test(errors))
    return new Problem('unauthenticated', `${host} does not let the key ${key} in`, {
      remedy: `put ${key}.pub into ~/.ssh/authorized_keys of that user there`,
      cause,
    })
  return new Problem('host_unreachable', `there is no connection to ${host} by SSH`, {
    remedy:
      'check that it runs and lets SSH in from here; its kernel ends blocks by itself meanwhile',
    cause,
  })
}
