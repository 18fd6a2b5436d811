/** How far a long command is: a bar on a terminal, a line each ten per cent elsewhere, nothing in the first second. */
import { printDuration } from '#contract/duration.ts'
import type { Io } from './command.ts'

const silentMs = 1_000
const redrawMs = 100
const width = 30

export type Progress = { at(done: number): void; end(): void }

/** `total` undefined: nobody can tell how far it is, so nothing is said. */
export function openProgress(io: Io, what: string, total: number | undefined): Progress {
  const began = io.now()
  let [drawn, tenths] = [0, 0]
  const draw = (share: number) => {
    const full = Math.round(share * width)
    const bar = `${'#'.repeat(full)}${'.'.repeat(width - full)}`
    io.err(`\r${what} [${bar}] ${Math.floor(share * 100)}%`)
    drawn = io.now()
  }
  const tell = (share: number) => {
    const reached = Math.floor(share * 10)
    if (reached > tenths) io.err(`${what} ${reached * 10}%\n`)
    tenths = Math.max(tenths, reached)
  }
  return {
    at: (done) => {
      if (total === undefined || total === 0 || io.now() - began < silentMs) return
      const share = Math.min(1, done / total)
      if (!io.screen.err) tell(share)
      else if (io.now() - drawn >= redrawMs) draw(share)
    },
    end: () => {
      if (drawn > 0) io.err('\r\u001b[K')
    },
  }
}

/** For one answer of which nobody knows how far it is: how long it takes already on a terminal, one line elsewhere. */
export async function tellWaiting<Value>(
  io: Io,
  what: string,
  work: Promise<Value>,
): Promise<Value> {
  const began = io.now()
  let told = false
  const timer = setInterval(() => {
    const seconds = Math.round((io.now() - began) / 1_000) * 1_000
    if (io.screen.err) io.err(`\r${what} … ${printDuration(seconds)}`)
    else if (!told) io.err(`${what} …\n`)
    told = true
  }, silentMs)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (told && io.screen.err) io.err('\r\u001b[K')
  }
}
