/** Waiting until a file may have changed: inotify at once, and a slow look in case it says nothing. */
import type { FSWatcher } from 'node:fs'
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'

export type Watch = {
  /** Looks at the file that now has this path. */
  arm(): void
  /** Until something happened since the last sleep, `stop`, or `ms` have passed. */
  sleep(ms: number): Promise<void>
  close(): void
}

/**
 * Both the folder, for files that come and go, and the file itself: a folder is not told of what is written
 * through a hard link in another one, as Wazuh does.
 */
export function watchFile(path: string, stop: AbortSignal): Watch {
  const name = basename(path)
  let changed = false
  let wake = (): void => {}
  let folder: FSWatcher | undefined
  let file: FSWatcher | undefined
  const change = (): void => {
    changed = true
    wake()
  }
  const ours = (event: string | null): boolean => event === null || event.startsWith(name)
  stop.addEventListener('abort', change)
  return {
    arm() {
      folder ??= tryWatch(dirname(path), (event) => ours(event) && change())
      file?.close()
      file = tryWatch(path, change)
    },
    async sleep(ms) {
      if (!changed && !stop.aborted)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      changed = false
      wake = () => {}
    },
    close() {
      stop.removeEventListener('abort', change)
      folder?.close()
      file?.close()
    },
  }
}

/** Undefined where nothing can be watched (no such file yet, no inotify left): the slow look goes on. */
function tryWatch(path: string, changed: (name: string | null) => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, (_event, name) => changed(name))
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
