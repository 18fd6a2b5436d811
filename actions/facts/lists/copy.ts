/** The last good copy of a list on the disk, so that a restart has it at once and without a network. */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Marks } from './obtain.ts'

const Kept = z.strictObject({
  version: z.literal(1),
  /** Hash of where it comes from: what was fetched from elsewhere under this name is another list. */
  origin: z.string(),
  digest: z.string(),
  marks: z.strictObject({ etag: z.string(), modified: z.string(), file: z.string() }).partial(),
  /** Epoch ms at which the source last said that this is what it has. */
  confirmed: z.int(),
})
export type Kept = Omit<z.infer<typeof Kept>, 'version' | 'origin' | 'marks'> & { marks: Marks }

export type Copy = {
  /** The text with this digest. */
  pathOf(digest: string): string
  /** Where a new text is written. */
  next: string
  /** Undefined when there is none of this origin, or what is said about it cannot be read. */
  read(): Promise<Kept | undefined>
  /** The text at `next` becomes the copy, wholly or not at all. */
  replace(kept: Kept): Promise<void>
  /** The same text, confirmed again. */
  confirm(kept: Kept): Promise<void>
  /** Forgets the text at `next`. */
  drop(): Promise<void>
}

/** A text has its digest in its name, so that what is said about it never speaks of another one. */
export async function openCopy(dir: string, name: string, origin: string): Promise<Copy> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const [about, next] = [join(dir, `${name}.json`), join(dir, `${name}.next`)]
  const pathOf = (digest: string) => join(dir, `${name}.${digest.slice(0, 16)}.list`)
  const originHash = createHash('sha256').update(origin).digest('hex')
  const confirm = async (kept: Kept) => {
    await writeWhole(`${about}.next`, JSON.stringify({ version: 1, origin: originHash, ...kept }))
    await rename(`${about}.next`, about)
  }
  return {
    pathOf,
    next,
    confirm,
    read: async () => {
      try {
        const {
          digest,
          marks,
          confirmed,
          origin: of,
        } = Kept.parse(JSON.parse(await readFile(about, 'utf8')))
        return of === originHash ? { digest, marks: marksOf(marks), confirmed } : undefined
      } catch {
        // A copy that is missing or damaged is none: the source is asked.
        return undefined
      }
    },
    replace: async (kept) => {
      const path = pathOf(kept.digest)
      await rename(next, path)
      await confirm(kept)
      for (const file of await readdir(dir))
        if (file.startsWith(`${name}.`) && file.endsWith('.list') && join(dir, file) !== path)
          await rm(join(dir, file), { force: true })
    },
    drop: () => rm(next, { force: true }),
  }
}

function marksOf({ etag, modified, file }: z.infer<typeof Kept>['marks']): Marks {
  return {
    ...(etag !== undefined && { etag }),
    ...(modified !== undefined && { modified }),
    ...(file !== undefined && { file }),
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
