/** A list in a file of this machine: read again when the file is another one. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Problem } from '#contract/problem.ts'
import { type Obtained, writeText } from './obtain.ts'

/** `known` is its mark of the last time. Throws `not_found` or `too_large`. */
export async function fromFile(
  file: string,
  known: string | undefined,
  { path, maxBytes }: { path: string; maxBytes: number },
): Promise<Obtained> {
  try {
    const { ino, size, mtimeMs, mtime } = await stat(file)
    const mark = `${ino} ${size} ${mtimeMs}`
    if (mark === known) return { changed: false }
    const digest = await writeText(createReadStream(file), path, maxBytes)
    return { changed: true, path, digest, marks: { file: mark, modified: mtime.toUTCString() } }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('not_found', `cannot read the list ${file}`, {
      remedy: 'check the path and that this user may read it; it is looked for again by itself',
      cause: error,
    })
  }
}
