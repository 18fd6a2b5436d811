/** One change of a place at a time, told by a file that names the process at work. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { diskProblem, errorCode } from './disk-problem.ts'

type Lock = { release(): void }

const tries = 5

/** The folder of the file must be there. Throws `conflict` while another process holds it, `no_privilege`. */
export function holdLock(place: string): Lock {
  const draft = join(dirname(place), `.${basename(place)}-${randomBytes(6).toString('hex')}`)
  try {
    // A link comes with its content: nobody sees a lock that does not yet say whose it is.
    writeFileSync(draft, `${process.pid}\n`, { flag: 'wx', mode: 0o600 })
    for (let left = tries; left > 0; left--) {
      if (tryLink(draft, place)) return { release: () => rmSync(place, { force: true }) }
      const holder = read(place)
      if (holder !== undefined && isAlive(holder)) throw held(place, holder)
      if (holder !== undefined) takeAway(place, holder)
    }
    throw held(place, read(place) ?? '')
  } catch (error) {
    throw diskProblem(error, 'write', place)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Makes what is not there, outermost first, the last one of this mode; gives back what takes it away again where it is empty. */
export function makeFolders(root: string, missing: readonly string[], mode: number): () => void {
  const made: string[] = []
  const last = missing.at(-1)
  try {
    for (const path of missing) {
      const place = join(root, path)
      if (!tryFolder(place)) continue
      made.push(place)
      chmodSync(place, path === last ? mode : 0o755)
    }
  } catch (error) {
    removeEmpty(made)
    throw diskProblem(error, 'write', join(root, last ?? ''))
  }
  return () => removeEmpty(made)
}

/** False when another process was first. */
function tryFolder(place: string): boolean {
  try {
    mkdirSync(place)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

function removeEmpty(made: readonly string[]): void {
  try {
    for (const place of made.toReversed()) rmdirSync(place)
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes(errorCode(error) ?? '')) throw error
  }
}

function tryLink(draft: string, place: string): boolean {
  try {
    linkSync(draft, place)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Of a process that is gone. Whoever took a living lock in between puts it back. */
function takeAway(place: string, holder: string): void {
  const taken = `${place}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(place, taken)
    if (read(taken) !== holder) linkSync(taken, place)
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes(errorCode(error) ?? '')) throw error
  } finally {
    rmSync(taken, { force: true })
  }
}

function read(place: string): string | undefined {
  try {
    return readFileSync(place, 'utf8').trim()
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** One of another user is alive too. */
function isAlive(holder: string): boolean {
  if (!/^[1-9]\d{0,9}$/.test(holder)) return false
  try {
    process.kill(Number(holder), 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

function held(place: string, holder: string): Problem {
  return new Problem('conflict', `another installation is at work here, process ${holder}`, {
    remedy: `wait until it has ended; if there is none, remove ${place}`,
  })
}
