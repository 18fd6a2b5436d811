/** Notices that somebody logs in or out, so that where he comes from is protected at once and not by the next look. */
import { type FSWatcher, watch } from 'node:fs'
import type { Places } from './surroundings.ts'

/** What one login writes comes within this. */
const gatherMs = 200

/**
 * Calls back soon after. Where nothing can be watched, as on a machine without such files, looking now and then is all
 * there is. Returns the way to stop.
 */
export function watchLogins(places: Places, heed: () => void): () => void {
  if (places.files) return () => {}
  let timer: NodeJS.Timeout | undefined
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      heed()
    }, gatherMs).unref()
  }
  const watchers = [places.sessions, places.utmp].flatMap((path) => watching(path, soon))
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
}

function watching(path: string, heed: () => void): FSWatcher[] {
  try {
    return [watch(path, { persistent: false }, heed).on('error', () => {})]
  } catch {
    return []
  }
}
