/** Reads an MMDB file into memory, and refuses one that is cut, or that tells something else than was asked for. */
import { type FileHandle, open } from 'node:fs/promises'
import { Reader, type Response } from 'maxmind'
import { Problem } from '#contract/problem.ts'
import type { PlaceFact, PlaceSource } from '../../decide/outside.ts'
import { readRecord } from './read-record.ts'

export type Database = {
  /** Throws where the file is damaged. */
  of(host: string): Partial<PlaceFact> | undefined
  /** Epoch ms. */
  built: number
  type: string
  bytes: number
}

/** What tells whether the file is another one than before. */
export type FileMark = string

/** GeoIP2 City and Enterprise stay below one; a wrong path must not fill the memory. */
const largestBytes = 1_000_000_000
/** Records that were decoded are kept up to this many: neighbours in a file share them. */
const rememberedRecords = 10_000

/** Throws what `stat` throws. */
async function markFile(file: FileHandle): Promise<FileMark> {
  const { mtimeMs, ino, size } = await file.stat()
  return `${ino} ${size} ${mtimeMs}`
}

/** The mark is of before reading, so that what changes meanwhile is read again. Throws a Problem. */
export async function readDatabase(
  path: string,
  source: PlaceSource,
  known?: FileMark,
): Promise<{ mark: FileMark; database?: Database; problem?: Problem }> {
  const file = await openFile(path)
  try {
    const mark = await markFile(file)
    if (mark === known) return { mark }
    if ((await file.stat()).size > largestBytes)
      return { mark, problem: refusal(path, 'is larger than 1 GB') }
    const bytes = await file.readFile()
    try {
      return { mark, database: databaseOf(bytes, source) }
    } catch (error) {
      return { mark, problem: refusal(path, `is no database with ${told[source]}`, error) }
    }
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    await file.close()
  }
}

const told: { readonly [Source in PlaceSource]: string } = {
  country: 'countries',
  city: 'cities',
  asn: 'network owners',
  anonymous: 'anonymous addresses',
}

function databaseOf(bytes: Buffer, source: PlaceSource): Database {
  // Without the root node the reader would run into the data section, and the names of its errors say little.
  const reader = new Reader<Response>(bytes, { cache: forgetful(rememberedRecords) })
  const { nodeCount, searchTreeSize, buildEpoch, databaseType } = reader.metadata
  const separator = bytes.subarray(searchTreeSize, searchTreeSize + 16)
  if (!(nodeCount > 0) || separator.length < 16 || separator.some((byte) => byte !== 0))
    throw new Error('the search tree does not end where it should')
  const of = (host: string) => readRecord[source](reader.get(host))
  probe(reader, of)
  const built = buildEpoch.getTime()
  if (Number.isNaN(built)) throw new Error('it does not say when it was built')
  return { of, built, type: String(databaseType), bytes: bytes.length }
}

/** Walks a few networks from many places: a file of another kind has records, and none that says what is asked. */
function probe(reader: Reader<Response>, of: (host: string) => unknown): void {
  let [records, answers] = [0, 0]
  for (const host of probes) {
    if (reader.get(host) === null) continue
    records++
    if (of(host) !== undefined) answers++
  }
  if (records > 0 && answers === 0) throw new Error('its records say something else')
}

/** 1,024 hosts spread over IPv4, and some in what IPv6 has in use. */
const probes = [
  ...Array.from({ length: 1_024 }, (_, n) => `${n >> 2}.${(n & 3) * 64 + 1}.1.1`),
  ...Array.from({ length: 512 }, (_, n) => `2${n.toString(16).padStart(3, '0')}:${n + 1}::1`),
]

function forgetful(limit: number) {
  const kept = new Map<string | number, unknown>()
  return {
    get: (key: string | number) => kept.get(key),
    set: (key: string | number, value: unknown) => {
      if (kept.size >= limit) kept.clear()
      kept.set(key, value)
    },
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, cause: unknown): Problem {
  return new Problem('not_found', `cannot read the database ${path}`, {
    remedy: 'check the path and that this user may read it; it is looked for again by itself',
    cause,
  })
}

function refusal(path: string, why: string, cause?: unknown): Problem {
  return new Problem('invalid_input', `${path} ${why}`, {
    remedy: 'put a whole MMDB file of the right kind there; it is read again when it changes',
    cause,
  })
}
