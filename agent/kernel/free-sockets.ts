/** A firewall that also frees this node's own sockets of the flows that it cut. */
import type { Firewall } from './firewall.ts'
import { type SocketCutter, socketCutter } from './sockets.ts'

/** After a mass block the sockets end by their own timeouts: looking each up would cost more than it frees. */
const mostAtOnce = 100

/** What is applied is cut after the kernel has confirmed; nothing waits for it. Closing waits for the last call. */
export function freeingSockets(
  firewall: Firewall,
  cutter: SocketCutter = socketCutter(),
): Firewall {
  if (!firewall.enforcing) return firewall
  return {
    ...firewall,
    async apply(changes) {
      await firewall.apply(changes)
      if (changes.length > mostAtOnce) return
      for (const change of changes) if (change.op === 'put') cutter.cut(change.address)
    },
    async close() {
      await cutter.close()
      await firewall.close()
    },
  }
}
