/**
 * A folder of the state with chunks under their digests, and an index of what is held of them. What was signed and
 * verified is kept as it came, so that a restart and a boot without network read it and check it the same way.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { ChunkDigest } from '#contract/feed.ts'
import { chunkDigest } from '#contract/snapshot.ts'
import { makeFolder, readState, writeState } from './state.ts'

export class ChunkFolder {
  readonly #folder: string

  /** Throws `setting_invalid` for a folder that cannot be. */
  constructor(folder: string) {
    this.#folder = folder
    makeFolder(folder)
  }

  /** Undefined when there is none, and for one that is not understood: the service says at each connection what there is. */
  readIndex<Index>(schema: z.ZodType<Index>): Index | undefined {
    const text = readState(join(this.#folder, 'index.json'))
    if (text === undefined) return undefined
    try {
      return schema.parse(JSON.parse(text))
    } catch {
      return undefined
    }
  }

  /** Throws what the file system says. */
  writeIndex(index: object): void {
    writeState(join(this.#folder, 'index.json'), [JSON.stringify(index)])
  }

  /** Undefined when it is not there, or not what it was. */
  read(digest: string): string | undefined {
    const text = readState(join(this.#folder, digest))
    return text !== undefined && chunkDigest(text) === digest ? text : undefined
  }

  /** Not synced: one that a crash tore is not what its digest says. Throws what the file system says. */
  keep(digest: string, text: string): void {
    writeFileSync(join(this.#folder, digest), text, { mode: 0o600 })
  }

  /** All chunks but these go. */
  prune(needed: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#folder))
      if (ChunkDigest.safeParse(name).success && !needed.has(name))
        rmSync(join(this.#folder, name), { force: true })
  }
}
