/** Going into another namespace of the network. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const CLONE_NEWNET = 0x40000000
const setns = koffi.load(null).func('int setns(int, int)')

/** In the one that is named, or in our own. The thread is back before anything else runs: `act` must not wait. */
export function inNamespace<Result>(name: string | undefined, act: () => Result): Result {
  if (name === undefined) return act()
  const own = openSync('/proc/self/ns/net', 'r')
  try {
    enter(`/run/netns/${name}`)
    return act()
  } finally {
    enter(`/proc/self/fd/${own}`)
    closeSync(own)
  }
}

/** The thread stays there. */
function enter(file: string): void {
  const fd = openSync(file, 'r')
  try {
    if (setns(fd, CLONE_NEWNET) < 0) throw new Error(`setns ${file}: errno ${koffi.errno()}`)
  } finally {
    closeSync(fd)
  }
}
