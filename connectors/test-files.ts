/** Tries the files that are followed: whether each can be read, also when it is rotated, and whether its last line is understood. */
import { open, readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Alert } from '#contract/alert.ts'
import type { Finding } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { cutLines, longestLine } from './cut-lines.ts'
import { findInOrder } from './find.ts'
import { type Found, look } from './find-rotated.ts'

/** `read` is the connector's own. A file that cannot be read keeps no other from being tried. */
export async function testFiles(
  paths: readonly string[],
  read: (line: unknown) => Alert[],
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const path of paths) {
    const folder = { what: `folder ${dirname(path)}`, find: () => listFolder(path) }
    const file = { what: `file ${path}`, find: () => openFile(path) }
    const last = { what: `last line of ${basename(path)}`, find: () => understand(path, read) }
    findings.push(...(await findInOrder([file, last])), ...(await findInOrder([folder])))
  }
  return findings
}

/** Rotated files are found by listing the folder: without that, their last lines are lost. */
async function listFolder(path: string): Promise<string> {
  const name = basename(path)
  const names = await readdir(dirname(path)).catch((error: unknown) => {
    throw unreadable(`the folder ${dirname(path)}`, error)
  })
  const rotated = names.filter((other) => other !== name && other.startsWith(name)).length
  if (rotated === 0) return 'may be listed; holds no rotated file of this name'
  return `may be listed; holds ${rotated} rotated ${rotated === 1 ? 'file' : 'files'} of this name`
}

async function openFile(path: string): Promise<string> {
  const found = await there(path)
  const handle = await open(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  await handle.close()
  return `may be read; ${found.size} bytes, last written ${printTime(Number(found.modified / 1_000_000n))}`
}

async function understand(path: string, read: (line: unknown) => Alert[]): Promise<string> {
  const line = await lastLine(path)
  if (line === undefined) return 'the file holds no whole line so far'
  const [alert] = read(line)
  if (!alert) return 'understood: it is no alert, and passed over'
  return printable(
    `understood: rule ${alert.rule.id}, ${alert.rule.name}, attacker ${alert.attacker ?? 'nobody'}`,
  )
}

/** Undefined without one; what stands in its place is read by the connector as it is when it is followed. */
async function lastLine(path: string): Promise<unknown> {
  const handle = await open(path)
  try {
    const { size } = await handle.stat()
    const length = Math.min(size, longestLine + 1)
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await handle.read(bytes, 0, length, size - length)
    const inside = size > length
    const state = { skipping: inside, final: false, more: false }
    return cutLines(bytes.subarray(0, bytesRead), state, Number.POSITIVE_INFINITY).records.at(-1)
  } finally {
    await handle.close()
  }
}

async function there(path: string): Promise<Found> {
  const found = await look(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  if (found) return found
  throw new Problem('not_found', `there is no file ${path}`, {
    remedy: 'check the path in files; it is read from its start once it is there',
  })
}

function unreadable(what: string, error: unknown): Problem {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new Problem('not_found', `${what} is not there`, { remedy: 'check the path in files' })
  if (code === 'EACCES' || code === 'EPERM')
    return new Problem('no_privilege', `may not read ${what}`, {
      remedy: 'let the user of this service read the file and its folder, for example by its group',
      cause: error,
    })
  return new Problem('internal', `cannot read ${what}`, {
    remedy: 'check the disk and the path',
    cause: error,
  })
}
