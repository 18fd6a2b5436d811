/** Asks the service over a connection of its own: one that stood before proves nothing about those that begin now. */
import { Problem } from '#contract/problem.ts'
import type { Service } from './connect.ts'

/** `fresh` is closed at the end. Throws `service_unreachable` when there is no whole answer in time, and as it throws. */
export async function askFresh(
  fresh: Service,
  withinMs: number,
  path: string,
  body?: unknown,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const signal = AbortSignal.timeout(withinMs)
  // The handshake that begins a connection has a longer time of its own.
  const late = () => reject(new Problem('service_unreachable', 'no answer in time'))
  signal.addEventListener('abort', late)
  try {
    const asked = fresh.ask(body === undefined ? 'GET' : 'POST', path, { body, signal })
    await Promise.race([asked, promise])
  } finally {
    signal.removeEventListener('abort', late)
    fresh.close()
  }
}
