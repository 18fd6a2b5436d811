/** Lines at the end of a file: on the disk when this resolves, whole or not there at all, the file renamed when it is full. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { longestLine } from './settings.ts'

export type Place = {
  path: string
  mode: number
  /** Bytes beyond which the file is renamed. */
  rotateAt: number
  /** How many renamed files are kept. */
  rotated: number
}

/** One writer at a time. Throws `store_unavailable`; then nothing was added. */
export async function append(place: Place, lines: Buffer): Promise<void> {
  try {
    const size = await addTo(place, lines)
    if (size > place.rotateAt) await rotate(place)
  } catch (error) {
    if (error instanceof Problem) throw error
    throw unwritable(place.path, error)
  }
}

async function addTo({ path, mode }: Place, lines: Buffer): Promise<number> {
  const file = await open(path, 'a+', mode)
  try {
    const whole = await endOfLines(file, path)
    try {
      await file.appendFile(lines)
      await file.datasync()
    } catch (error) {
      await file.truncate(whole).catch(() => {})
      throw error
    }
    if (whole === 0) await flushFolder(path)
    return whole + lines.length
  } finally {
    await file.close()
  }
}

/** What a crash left of a line is taken back. A line that is no ending of ours is somebody else's file. */
async function endOfLines(file: FileHandle, path: string): Promise<number> {
  const stat = await file.stat()
  if (!stat.isFile()) throw new Problem('setting_invalid', `${path} is no file`, { remedy: remedy })
  const length = Math.min(stat.size, longestLine)
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, stat.size - length)
  const torn = length - 1 - buffer.lastIndexOf(0x0a)
  if (torn === 0 || length === 0) return stat.size
  // Every line of ours begins so; what is longer than any, or begins otherwise, is somebody else's.
  const begun = torn < length || length === stat.size
  if (!begun || buffer.toString('utf8', length - torn, length - torn + 2) !== '{"')
    throw new Problem('setting_invalid', `${path} does not hold lines of results`, { remedy })
  await file.truncate(stat.size - torn)
  return stat.size - torn
}
const remedy = 'name a file of its own in path of file-out'

/** `.1` is the newest. A reader that holds the old file open reads it to its end. */
async function rotate({ path, rotated }: Place): Promise<void> {
  const name = (index: number) => (index === 0 ? path : `${path}.${index}`)
  await rm(name(rotated), { force: true })
  for (let index = rotated - 1; index >= 0; index--)
    await rename(name(index), name(index + 1)).catch(ignoreAbsent)
  await flushFolder(path)
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(dirname(path))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function unwritable(path: string, error: unknown): Problem {
  return new Problem('store_unavailable', `cannot write to ${path}`, {
    remedy:
      'check that the disk has room, and that the user of this service may write in the folder',
    cause: error,
  })
}
