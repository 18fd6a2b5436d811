/** The kernel's error numbers as problems that say what to do. */
import { constants } from 'node:os'
import { Problem } from '#contract/problem.ts'

const words = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

const meanings: Record<string, [meaning: string, remedy: string]> = {
  ENFILE: ['the set is full', 'lift blocks, or block networks instead of single hosts'],
  ENOENT: [
    'the table or set is gone',
    'the agent makes it anew by itself; look for what flushed the ruleset of this node',
  ],
  EEXIST: ['an interval overlaps another one', 'the agent fills the sets anew by itself'],
  ENOMEM: ['out of memory', 'free memory on this node, or hold fewer blocks'],
  EMSGSIZE: [
    'the transaction is larger than the socket takes',
    'run the agent with CAP_NET_ADMIN in the namespace of the host, or raise net.core.wmem_max',
  ],
  ENOBUFS: ['out of buffer space', 'free memory on this node'],
}

export const noPrivilegeRemedy =
  'run as root or with CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN), or without enforcement'

/** `errno` positive, 0 when unknown. `doing` says what was tried. */
export function refused(errno: number, doing: string): Problem {
  const word = words.get(errno) ?? (errno === 0 ? 'no error number' : `errno ${errno}`)
  if (word === 'EPERM' || word === 'EACCES')
    return new Problem('no_privilege', `${doing}: the kernel allows it to nobody like this user`, {
      remedy: noPrivilegeRemedy,
      cause: new Error(word),
    })
  const [meaning, remedy] = meanings[word] ?? ['the kernel refused', 'look at dmesg of this node']
  return new Problem('kernel_refused', `${doing}: ${meaning} (${word})`, {
    remedy,
    cause: new Error(word),
  })
}
