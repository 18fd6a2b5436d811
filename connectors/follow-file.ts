/** A growing log file as a source: each whole line once, over restarts, rotation and truncation. */
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Page, Source } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { watchAbsence } from './absent-file.ts'
import { cutLines, longestLine } from './cut-lines.ts'
import type { Place } from './file-place.ts'
import { identity, printLength, printOf, readPlace, startOf } from './file-place.ts'
import { findFile, findNext, isGone, look } from './find-rotated.ts'
import { watchFile } from './watch-file.ts'

export type FollowOptions = {
  key: string
  path: string
  /** Where to begin in a file that is there at the very first start; a later file is read from its start. */
  from: 'end' | 'start'
  /** Milliseconds of a clock that never goes back. */
  monotonic?: () => number
}

const mostRecords = 500
const chunk = 262_144
const slowLook = 1_000

/**
 * Records are lines of text, and a Problem in the place of what could not be read. Rotation by rename or by a new
 * link: the old file is finished first, also when it was rotated (several times) while nobody followed, as long
 * as it still lies beside its path or in a folder below, not compressed. What can be lost: with copytruncate, lines
 * that were appended after the last look and before the truncation; and a file that is gone. A file that was
 * truncated and grew again to the same 256 bytes at the same place is not told apart.
 */
export function followFile(options: FollowOptions): Source {
  return { key: options.key, follow: (cursor, stop) => follow(options, cursor, stop) }
}

/** `room`: what is read next comes here, so that a look that finds nothing new leaves nothing behind. */
type Opened = { handle: FileHandle; place: Place; room: Buffer }

async function* follow(
  { path, from, monotonic = () => performance.now() }: FollowOptions,
  cursor: string | undefined,
  stop: AbortSignal,
): AsyncGenerator<Page, void> {
  const watch = watchFile(path, stop)
  const absence = watchAbsence(path, monotonic)
  let now: Opened | undefined
  try {
    watch.arm()
    const first = await begin(path, from, cursor)
    now = first.now
    if (first.page) yield first.page
    while (!stop.aborted) {
      now ??= await openPath(path)
      const step = now && ((await readPage(now, false)) ?? (await finish(path, now)))
      if (step === undefined) {
        const change = await absence.look()
        const page = pageOf([], now?.place ?? startOf(undefined))
        // Also once after a start: whoever was shown as failing is followed again, though nothing comes.
        if (change !== undefined) yield change === 'there' ? page : { ...page, trouble: change }
        await watch.sleep(slowLook)
        if (now === undefined) watch.arm()
      } else if ('cursor' in step) yield step
      else {
        await now?.handle.close()
        now = step
        watch.arm()
      }
    }
  } catch (error) {
    throw asProblem(path, error)
  } finally {
    watch.close()
    await now?.handle.close()
  }
}

/** Where to go on from, and a page when there is something to remember or to say before the first line. */
async function begin(
  path: string,
  from: FollowOptions['from'],
  cursor: string | undefined,
): Promise<{ now?: Opened | undefined; page?: Page }> {
  if (cursor === undefined) {
    const now = await openPath(path)
    if (now && from === 'end') await goToEnd(now)
    return { now, page: pageOf([], now?.place ?? startOf(undefined)) }
  }
  const place = readPlace(cursor)
  if (place.file === undefined) return {}
  const now = await openFile(path, place)
  return now ? { now } : { page: pageOf([gone(path)], startOf(undefined)) }
}

/** The next page of a file; undefined when it holds no more than an unfinished line. */
async function readPage(now: Opened, final: boolean): Promise<Page | undefined> {
  for (let size = chunk; ; ) {
    const { place } = now
    const back = Math.min(place.offset, printLength)
    const length = back + size
    const room = length <= now.room.length ? now.room : Buffer.allocUnsafe(length)
    const bytes = await readInto(room.subarray(0, length), now.handle, place.offset - back)
    if (bytes.length < back || printOf(bytes.subarray(0, back)) !== place.print) {
      now.place = startOf(place.file)
      continue
    }
    const fresh = bytes.subarray(back)
    const more = fresh.length === size
    const state = { skipping: place.skipping, final: final && !more, more }
    const { records, consumed, skipping } = cutLines(fresh, state, mostRecords)
    if (consumed > 0) {
      const print = printOf(bytes.subarray(0, back + consumed))
      now.place = { ...place, offset: place.offset + consumed, print, skipping }
      return pageOf(records, now.place)
    }
    if (!more) return undefined
    size = Math.min(size * 4, longestLine + 1)
  }
}

/** The rest of a file that was rotated away, then the next file; undefined while it is still the one at its path. */
async function finish(path: string, now: Opened): Promise<Page | Opened | undefined> {
  const next = await findNext(path, now.place.file ?? '')
  if (!next) return undefined
  // The next file is being written to, so what is in the old one now is all there will be.
  return (
    (await readPage(now, false)) ??
    (await readPage(now, true)) ??
    (await openFile(path, startOf(next.file)))
  )
}

/** Just behind the last line end, so that a line that is being written is read when it is whole. */
async function goToEnd(now: Opened): Promise<void> {
  const { size } = await now.handle.stat()
  const back = Math.min(size, longestLine)
  const bytes = await readAt(now.handle, size - back, back)
  const end = bytes.lastIndexOf(10) + 1
  const inside = end === 0 && size > back
  const read = bytes.subarray(0, inside ? back : end)
  const offset = size - back + read.length
  now.place = { ...now.place, offset, print: printOf(read), skipping: inside }
}

async function openPath(path: string): Promise<Opened | undefined> {
  const found = await look(path)
  return found && openFile(path, startOf(found.file))
}

/** A file by its identity, wherever it is now; undefined when it is gone or its number was given to another. */
async function openFile(path: string, place: Place): Promise<Opened | undefined> {
  for (;;) {
    const found = await findFile(path, place.file ?? '')
    if (!found) return undefined
    const handle = await openIfThere(found.path)
    if (handle && identity(await handle.stat({ bigint: true })) === place.file) {
      const ofSeries = basename(found.path).startsWith(basename(path))
      if (ofSeries || (await isAsLeft(handle, place)))
        return { handle, place, room: Buffer.allocUnsafe(chunk + printLength) }
      await handle.close()
      return undefined
    }
    // It was renamed between looking and opening.
    await handle?.close()
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/**
 * Whether it still holds what was read. Under its own name, or that name with an ending, other content means that it
 * was emptied, and it is read again from its start; under a foreign name it is another file with a used number.
 */
async function isAsLeft(handle: FileHandle, { offset, print }: Place): Promise<boolean> {
  const back = Math.min(offset, printLength)
  return printOf(await readAt(handle, offset - back, back)) === print
}

/**
 * One read, so that its bytes are of one moment: with a second one, what was written after a truncation could be
 * taken for the continuation of what was there before. Only the end of a file on a disk gives less than asked for.
 */
async function readInto(room: Buffer, handle: FileHandle, from: number): Promise<Buffer> {
  const { bytesRead } = await handle.read(room, 0, room.length, from)
  return room.subarray(0, bytesRead)
}

function readAt(handle: FileHandle, from: number, length: number): Promise<Buffer> {
  return readInto(Buffer.allocUnsafe(length), handle, from)
}

function pageOf(records: unknown[], place: Place): Page {
  return { records, cursor: JSON.stringify(place) }
}

function gone(path: string): Problem {
  return new Problem('not_found', `the file that was read as ${basename(path)} is gone`, {
    remedy:
      'lines written to it while nobody followed may be lost; keep one rotated file uncompressed',
  })
}

function asProblem(path: string, error: unknown): Problem {
  if (error instanceof Problem) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EACCES' || code === 'EPERM')
    return new Problem('no_privilege', `may not read ${path}`, {
      remedy: 'let the user of this service read the file and its folder, for example by its group',
      cause: error,
    })
  return new Problem('internal', `cannot follow ${path}`, {
    remedy: 'check the disk and the path; following starts again by itself',
    cause: error,
  })
}
