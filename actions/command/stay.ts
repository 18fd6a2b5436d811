/** What a running service does with signals: stop, stop at once, read the policy anew. */
import type { Logger } from 'pino'
import { toProblem } from '#contract/problem.ts'
import { reloadPolicy } from '../flow/reload-policy.ts'
import type { Service } from '../service.ts'
import type { Signals } from './command.ts'

/** Resolves after the first SIGINT or SIGTERM and what `stop` does; a second one ends the process at once. */
export async function stay(
  signals: Signals,
  { flow }: Pick<Service, 'flow'>,
  log: Logger,
  stop: () => Promise<void>,
): Promise<void> {
  const reload = () => void tryReload(flow, log)
  const atOnce = () => signals.exit(1)
  const { promise, resolve } = Promise.withResolvers<void>()
  const ended = () => resolve()
  signals.on('SIGHUP', reload)
  signals.on('SIGINT', ended)
  signals.on('SIGTERM', ended)
  await promise
  signals.on('SIGINT', atOnce)
  signals.on('SIGTERM', atOnce)
  await stop()
  for (const listener of [ended, atOnce]) {
    signals.off('SIGINT', listener)
    signals.off('SIGTERM', listener)
  }
  signals.off('SIGHUP', reload)
}

/** Nobody waits for the answer to a signal, so the log is where it goes. */
async function tryReload(flow: Service['flow'], log: Logger): Promise<void> {
  try {
    log.info({ changed: await reloadPolicy(flow, 'signal') }, 'the policy was read again')
  } catch (error) {
    const { message, remedy } = toProblem(error)
    log.error({ problem: message, remedy }, 'the policy file is refused, the one in force stays')
  }
}
