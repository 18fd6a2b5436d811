/** Where the two parts of one running connector meet: the stream that is followed, and its presence on the platform. */
import type { Settings } from './settings.ts'

export type Standing = {
  /** The cursor that was kept last, or begun with; undefined before the very first. */
  kept: string | undefined
  /** Somebody reset the state on the platform, and the stream was not begun anew yet. */
  reset: boolean
}

const standings = new WeakMap<Settings, Standing>()

/** One for each connector that runs: it has its own settings object. */
export function standingOf(settings: Settings): Standing {
  const known = standings.get(settings)
  if (known) return known
  const standing = { kept: undefined, reset: false }
  standings.set(settings, standing)
  return standing
}
