/** Where an installation goes, and where it is remembered. */
import { posix, resolve } from 'node:path'

export type Place = {
  /** Absolute. */
  root: string
  /** Below the root. */
  record: string
  lock: string
  /** Whether it is a machine, and not a folder with files to import. */
  machine: boolean
}

/**
 * Not in the state folder of the service: that belongs to the user of the service, who could then have root write any file by
 * way of a record.
 */
const records = '/var/lib/cordon-manifests'

export function placeOf(host: string, machine: boolean, dest: string | undefined): Place {
  return machine
    ? {
        root: resolve(dest ?? '/'),
        record: `${records}/${host}.json`,
        lock: `${records}/.lock`,
        machine,
      }
    : {
        root: resolve(dest ?? `cordon-${host}`),
        record: '/.cordon-manifest.json',
        lock: '/.cordon-manifest.lock',
        machine,
      }
}

/** Of the folders, outermost first, those that hold one of the paths. */
export function foldersFor(folders: readonly string[], paths: readonly string[]): string[] {
  const ways = new Set(paths.flatMap(above))
  return folders.filter((folder) => ways.has(folder))
}

function above(path: string): string[] {
  const folder = posix.dirname(path)
  return folder === path ? [] : [folder, ...above(folder)]
}
