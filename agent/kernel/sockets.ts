/** Frees this node's own sockets of flows that were cut, which would retransmit for minutes. Best effort. */
import { spawn } from 'node:child_process'
import type { Address } from '#contract/address.ts'

/** A socket of a cut flow does no harm; looking for one costs some ms of CPU. */
const waitMs = 1_000
/** Addresses in one call, and waiting at most: after a mass block the sockets end by their own timeouts. */
const callLimit = 100
const waitingLimit = 1_000

export type SocketCutter = {
  /** Returns at once; never throws. */
  cut(address: Address): void
  /** Resolves when no call is under way and none will follow. */
  close(): Promise<void>
}

/** `kill` ends the TCP and UDP sockets whose peer lies in one of the addresses. */
export function socketCutter(kill = killByProgram): SocketCutter {
  const waiting = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let closed = false

  const schedule = () => {
    if (closed || timer || running || waiting.size === 0) return
    timer = setTimeout(run, waitMs)
    timer.unref()
  }
  const run = () => {
    timer = undefined
    const batch = [...waiting].slice(0, callLimit)
    for (const text of batch) waiting.delete(text)
    running = kill(batch).finally(() => {
      running = undefined
      schedule()
    })
  }
  return {
    cut(address) {
      if (waiting.size < waitingLimit) waiting.add(address.text)
      schedule()
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await running
    },
  }
}

/** Resolves whatever happens: a node without ss, or a kernel that cannot do it, only keeps the sockets longer. */
function killByProgram(addresses: readonly string[]): Promise<void> {
  const filter = addresses.flatMap((text, index) =>
    index === 0 ? ['dst', text] : ['or', 'dst', text],
  )
  return new Promise((resolve) => {
    const child = spawn('ss', ['-K', '-H', '-n', '-t', '-u', ...filter], { stdio: 'ignore' })
    child.on('error', () => resolve())
    child.on('close', () => resolve())
  })
}
