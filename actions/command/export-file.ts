/**
 * The file of an export. Until it is whole it is called `FILE.part`, so that nobody takes a part for the whole; an export
 * that broke off goes on there after the last whole line.
 */
import { createReadStream } from 'node:fs'
import { access, type FileHandle, open, rename } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Problem } from '#contract/problem.ts'
import { type Format, seqOf } from './exported-line.ts'

export type ExportFile = {
  /** The number of the line after which the export goes on. */
  after: number
  /** Whether it holds a line, besides a heading. */
  begun: boolean
  bytes: number
  write(text: string): Promise<void>
  /** To the disk, and to its name. */
  finish(): Promise<void>
  /** The part stays, to be gone on with. */
  leave(): Promise<void>
}

/**
 * `first` gives the number of the line with which the export would begin. Throws `conflict` when the file is there, or
 * when its part was begun for another export: going on would leave a gap or a repeat.
 */
export async function openExportFile(
  path: string,
  format: Format,
  after: number,
  first: () => Promise<number | undefined>,
): Promise<ExportFile> {
  if (await isThere(path)) throw taken(path)
  const part = `${path}.part`
  const handle = await openPart(part)
  try {
    const held = await wholePart(handle, format)
    if (held.last !== undefined) await checkBeginning(part, format, after, await first())
    const file: ExportFile = {
      after: held.last ?? after,
      begun: held.last !== undefined,
      bytes: held.bytes,
      write: async (text) => {
        await handle.appendFile(text)
        file.bytes += Buffer.byteLength(text)
      },
      finish: async () => {
        await handle.sync()
        await handle.close()
        await rename(part, path)
      },
      leave: () => handle.close(),
    }
    return file
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openPart(part: string): Promise<FileHandle> {
  try {
    return await open(part, 'a+', 0o600)
  } catch (error) {
    throw new Problem('usage', `${part} cannot be written`, {
      remedy: 'check the folder and that this user may write there',
      cause: error,
    })
  }
}

const blockBytes = 65_536

/** Cuts off what follows the last line feed, and reads the number of the line before it. */
async function wholePart(
  handle: FileHandle,
  format: Format,
): Promise<{ bytes: number; last: number | undefined }> {
  const { size } = await handle.stat()
  await checkFormat(handle, format)
  let tail = Buffer.alloc(0)
  for (let at = size; at > 0 && feeds(tail) < 2; ) {
    const from = Math.max(0, at - blockBytes)
    const block = Buffer.alloc(at - from)
    await handle.read(block, 0, block.length, from)
    tail = Buffer.concat([block, tail])
    at = from
  }
  const end = tail.lastIndexOf('\n') + 1
  const bytes = size - tail.length + end
  if (bytes < size) await handle.truncate(bytes)
  if (end === 0) return { bytes, last: undefined }
  const line = tail.subarray(tail.lastIndexOf('\n', end - 2) + 1, end).toString()
  const heading = format === 'csv' && bytes === Buffer.byteLength(line)
  return { bytes, last: heading ? undefined : seqOf(format, line) }
}

const beginnings = { ndjson: '{"@timestamp":"', csv: 'line,time,actor,' } as const

/** Nothing is cut off from what somebody else has written. */
async function checkFormat(handle: FileHandle, format: Format): Promise<void> {
  const wanted = beginnings[format]
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(wanted.length), { position: 0 })
  if (wanted.startsWith(buffer.toString('utf8', 0, bytesRead))) return
  throw new Problem('conflict', `what is to be gone on with is no part of an export as ${format}`, {
    remedy: 'remove the file that ends in .part, or export to another file',
  })
}

function feeds(tail: Buffer): number {
  const last = tail.lastIndexOf('\n')
  return last < 0 ? 0 : last > 0 && tail.lastIndexOf('\n', last - 1) >= 0 ? 2 : 1
}

/** With a time that is counted from now the export may begin later than its part did, which leaves no gap. */
async function checkBeginning(
  part: string,
  format: Format,
  after: number,
  begins: number | undefined,
): Promise<void> {
  const began = seqOf(format, await lineOf(part, format === 'csv' ? 1 : 0))
  if (began > after && began <= (begins ?? began)) return
  throw new Problem('conflict', `${part} begins with line ${began}, and this export does not`, {
    remedy: 'ask as it was asked then to go on with it, or remove it',
  })
}

async function lineOf(path: string, index: number): Promise<string> {
  const lines = createInterface({ input: createReadStream(path) })
  let at = 0
  for await (const line of lines) if (at++ === index) return line
  return ''
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

function taken(path: string): Problem {
  return new Problem('conflict', `${path} is there already`, {
    remedy: 'export to another file; --after LINE begins after the last line of this one',
  })
}
