/** One agent a state folder: two of them would write over each other's memory and fight for the table. */
import { linkSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { makeFolder, readState } from './state.ts'

/**
 * Returns the way to give it back. What a process that is gone left behind is taken over. Throws `conflict` with the
 * process that holds it. A holder in another PID namespace (another container) cannot be judged and counts as gone.
 */
export function lockFolder(folder: string): () => void {
  makeFolder(folder)
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
