/** A new text of a list, as a file of its own beside the last good copy, or the word that nothing changed. */
import { createHash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { Problem } from '#contract/problem.ts'

export type Obtained =
  | { changed: false }
  /** `path` belongs to who asked. */
  | { changed: true; path: string; digest: string; marks: Marks }

/** What shows the next time whether the text is another one. */
export type Marks = {
  etag?: string
  /** As the server wrote it; of a file the time of its last change. */
  modified?: string
  /** Of a file: inode, size and time of change. */
  file?: string
}

/**
 * Writes what comes, on the disk when it returns. Throws `too_large`, `store_unavailable` where it cannot be written, and
 * what the source throws; then no file is left.
 */
export async function writeText(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  maxBytes: number,
): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, 'w', 0o600).catch(unwritable)
  try {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      hash.update(chunk)
      await file.writeFile(chunk).catch(unwritable)
    }
    await file.sync().catch(unwritable)
    return hash.digest('hex')
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

export function tooLarge(maxBytes: number): Problem {
  return new Problem('too_large', `the list is larger than ${maxBytes} bytes`, {
    remedy: 'set max_bytes of this list higher, or take a smaller list',
  })
}

function unwritable(error: unknown): never {
  throw new Problem('store_unavailable', 'the copy of the list cannot be written', {
    remedy: 'make room on the disk of the data folder; the former copy stays in force',
    cause: error,
  })
}
