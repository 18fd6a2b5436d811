/** Takes everything of Cordon out of a host's packet filter, which then is as it was before; and forgets it, if asked. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '#contract/problem.ts'
import type { Trace } from './kernel/traces.ts'
import { isOwnFile, lockFolder } from './lock.ts'

export type ClearOn = {
  folder: string
  /** Only says what would be done. */
  dryRun: boolean
  /** Also what the state folder holds: the key of the node, and to which service it belongs. */
  forget: boolean
  traces(): Promise<readonly Trace[]>
  /** Whether a person wants the state folder emptied. */
  agrees(question: string): Promise<boolean>
}

/** What was taken out, what stays in spite of it and why, and which files; `declined`: the person wanted to keep them. */
export type Cleared = { removed: string[]; left: string[]; forgotten: string[]; declined: boolean }

/** Throws `conflict` while an agent of this state folder runs, and what the firewall throws. Twice is no error. */
export async function clear(on: ClearOn): Promise<Cleared> {
  const there = existsSync(on.folder)
  const unlock = there ? lock(on.folder) : () => {}
  try {
    const traces = await on.traces()
    const left: string[] = []
    if (!on.dryRun) for (const { remove } of traces) left.push(...(await remove()))
    const removed = traces.map(({ what }) => what)
    return { removed, left, ...(await forget(there && on.forget, on)) }
  } finally {
    unlock()
  }
}

async function forget(asked: boolean, { folder, dryRun, agrees }: ClearOn) {
  const mine = asked ? readdirSync(folder).filter(isKept) : []
  if (mine.length === 0 || dryRun) return { forgotten: mine, declined: false }
  const question = `remove what ${folder} holds? The node must be enrolled anew then.`
  if (!(await agrees(question))) return { forgotten: [], declined: true }
  for (const name of mine) rmSync(join(folder, name), { recursive: true, force: true })
  return { forgotten: mine, declined: false }
}

/** But for the lock that is held now, and what a file system has for itself. */
function isKept(name: string): boolean {
  return isOwnFile(name) && !name.startsWith('agent.lock') && name !== 'lost+found'
}

function lock(folder: string): () => void {
  try {
    return lockFolder(folder)
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'conflict') throw error
    throw new Problem('conflict', error.message, {
      remedy: 'stop it first, since it would put everything back: systemctl stop cordon-agent',
      cause: error,
    })
  }
}
