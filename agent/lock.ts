/** One agent a state folder: two of them would write over each other's memory and fight for the table. */
import {
  chmodSync,
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { makeFolder, readState } from './state.ts'

/**
 * Returns the way to give it back. What a process that is gone left behind is taken over. Throws `conflict` with the
 * process that holds it. A holder in another PID namespace (another container) cannot be judged and counts as gone.
 * A folder that others may look into is closed to them first; `setting_invalid` when it is not the agent's alone.
 */
export function lockFolder(folder: string): () => void {
  makeFolder(folder)
  closeToOthers(folder)
  const path = join(folder, 'agent.lock')
  const mine = describeProcess(process.pid)
  const made = `${path}.${process.pid}`
  writeFileSync(made, `${mine}\n`, { mode: 0o600 })
  try {
    while (!tryLink(made, path)) removeStale(path)
  } finally {
    rmSync(made, { force: true })
  }
  return () => {
    if (readState(path)?.trim() === mine) rmSync(path, { force: true })
  }
}

/** What an agent, or the file system below it, puts into a state folder. */
const own =
  /^(node\.key|service\.json|memory\.jsonl|dead-man\.json|agent\.lock|status\.sock|ssh\.sock|feeds|posture|compiled)(\..*)?$|^lost\+found$/

export function isOwnFile(name: string): boolean {
  return own.test(name)
}

/** A folder with other things in it (somebody named /tmp, or /var/lib) is not ours to close. */
function closeToOthers(folder: string): void {
  const { mode } = statSync(folder)
  if ((mode & 0o077) === 0) return
  const stranger = readdirSync(folder).find((name) => !isOwnFile(name))
  if (stranger !== undefined)
    throw open(folder, mode, `and holds ${stranger.slice(0, 60)}, which is not the agent's`)
  try {
    chmodSync(folder, 0o700)
  } catch (error) {
    throw open(folder, mode, 'and cannot be closed to them', error)
  }
}

function open(folder: string, mode: number, why: string, cause?: unknown): Problem {
  const shown = (mode & 0o7777).toString(8).padStart(4, '0')
  return new Problem('setting_invalid', `${folder} is open to others (mode ${shown}) ${why}`, {
    remedy: `set CORDON_AGENT_STATE_DIR to a folder of the agent alone, or run: chmod 700 ${folder}`,
    cause,
  })
}

/** The file comes whole or not at all. False when there is one already. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw new Problem('setting_invalid', `cannot make ${to}`, {
      remedy: 'run the agent as the user who owns the state folder',
      cause: error,
    })
  }
}

/** Moved aside first, so that of two that find it stale only one removes it. */
function removeStale(path: string): void {
  const holder = readState(path)?.trim()
  if (holder === undefined) return
  const pid = Number.parseInt(holder, 10)
  if (holder === describeProcess(pid))
    throw new Problem('conflict', `another agent (process ${pid}) works with ${path}`, {
      remedy: 'stop it first, or give this one a CORDON_AGENT_STATE_DIR of its own',
    })
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    // Somebody was faster; the next attempt sees who.
    return
  }
  if (readState(aside)?.trim() !== holder) tryLink(aside, path)
  rmSync(aside, { force: true })
}

/** Tells a process from a later one with the same number: when it began, in which boot and PID namespace. */
function describeProcess(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const began = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')[19]
    return [pid, boot, readlinkSync('/proc/self/ns/pid'), began].join(' ')
  } catch {
    return `${pid} gone`
  }
}
