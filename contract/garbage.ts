/**
 * Lets go of memory that is not needed any more: a process that is idle afterwards would keep it for ever. Here because
 * service and agent both do it, and share nothing else.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** A pause: 60 ms after a start, 100 ms with 100,000 blocks. Does nothing where the engine does not offer it. */
export function collectGarbage(): void {
  try {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('gc')
    if (typeof collect === 'function')
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  } catch {
    // Without it the process is only larger.
  }
}
