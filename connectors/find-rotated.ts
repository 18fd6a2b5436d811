/** Where a followed file went when it was renamed, and which file was written after it. */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { identity } from './file-place.ts'

export type Found = { path: string; file: string; size: number; modified: bigint }

// Wazuh keeps a hard link in logs/alerts/YYYY/Mon.
const deepest = 2
const mostFiles = 20_000
const mostTries = 20
const packed = /\.(gz|xz|bz2|zst|lz4|zip|sum)$/

export async function look(path: string): Promise<Found | undefined> {
  try {
    const stats = await stat(path, { bigint: true })
    if (!stats.isFile()) return undefined
    const { size, mtimeNs: modified } = stats
    return { path, file: identity(stats), size: Number(size), modified }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** The file by its identity: under its path, beside it, or as a hard link in the folders below. */
export async function findFile(path: string, file: string): Promise<Found | undefined> {
  const here = await look(path)
  return here?.file === file ? here : (await neighbours(path, file)).own
}

/**
 * What was written after `file`, which is no longer at `path`: a file rotated in between, else the one at `path`.
 * Undefined while that is empty, for until then the old one may still be written to.
 */
export async function findNext(path: string, file: string): Promise<Found | undefined> {
  const here = await look(path)
  if (!here || here.file === file) return undefined
  const { own, all } = await neighbours(path, file)
  const current = all.find((other) => other.path === path)
  if (!current || current.file === file) return undefined
  const shape = own && shapeOf(own.path)
  const between = all
    .filter((other) => own && shapeOf(other.path) === shape && other.modified > own.modified)
    .filter((other) => other.file !== current.file && other.size > 0)
    .sort((a, b) => (a.modified < b.modified ? -1 : 1))
  return between[0] ?? (current.size > 0 ? current : undefined)
}

async function neighbours(path: string, file: string): Promise<{ own?: Found; all: Found[] }> {
  let all: Found[] = []
  for (const depth of [0, deepest]) {
    all = await stillFilesIn(dirname(path), depth)
    const own = all.find((other) => other.file === file && other.path !== path)
    if (own) return { own, all }
  }
  return { all }
}

/** Listed until two lists agree, for while files are renamed one after the other a list may miss one of them. */
async function stillFilesIn(folder: string, depth: number): Promise<Found[]> {
  let before = await filesIn(folder, depth)
  for (let tries = 0; tries < mostTries; tries++) {
    const after = await filesIn(folder, depth)
    if (namesOf(before) === namesOf(after)) return after
    before = after
  }
  return before
}

function namesOf(files: Found[]): string {
  return files.map(({ path, file }) => `${file} ${path}`).join('\n')
}

async function filesIn(folder: string, depth: number): Promise<Found[]> {
  const found: Found[] = []
  for (const entry of await entriesOf(folder)) {
    if (found.length >= mostFiles) break
    const path = join(folder, entry.name)
    if (entry.isDirectory() && depth > 0) found.push(...(await filesIn(path, depth - 1)))
    const plain = entry.isFile() || entry.isSymbolicLink()
    const file = plain && !packed.test(entry.name) ? await look(path) : undefined
    if (file) found.push(file)
  }
  return found
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** `alerts.json.2` and `alerts.json.1` are of one series; so are `ossec-alerts-08.json` and `-09-001.json`. */
function shapeOf(path: string): string {
  return basename(path).replace(/\d+(-\d+)*/g, '#')
}

export function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
