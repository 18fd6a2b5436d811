/** Looks whether anything of a run is still there, instead of claiming that it is not. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export type Left = { processes: number; mounts: number }

/** Processes in one of these namespaces, and mounts that hold one. They are named as links under /proc name them. */
export function whatIsLeft(namespaces: readonly string[]): Left {
  const processes = readdirSync('/proc').filter(
    (name) =>
      /^\d+$/.test(name) &&
      ['net', 'mnt', 'pid'].some((kind) => namespaces.includes(linkOf(name, kind))),
  )
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => namespaces.some((namespace) => line.includes(namespace)))
  return { processes: processes.length, mounts: mounts.length }
}

/** Empty for a process that is gone, or another user's. */
function linkOf(process: string, kind: string): string {
  try {
    return readlinkSync(`/proc/${process}/ns/${kind}`)
  } catch {
    return ''
  }
}
