/** The folders of manifests/: each read, checked against the schema and against the files that are there. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LineCounter, parseDocument } from 'yaml'
import { nearest, Problem } from '#contract/problem.ts'
import {
  type FileEntry,
  ManifestFile,
  type PartEntry,
  pathsOf,
  type TokenEntry,
} from './manifest-file.ts'
import { namesIn } from './render.ts'

export const manifestsFolder = fileURLToPath(new URL('../../manifests/', import.meta.url))

export type Manifest = {
  host: string
  file: ManifestFile
  readme: string
  /** What each `from` holds; folders are taken apart into their files. */
  sources: ReadonlyMap<string, Buffer>
}

/** Also for hosts that a record names and that are no more. */
export const hostName = /^[a-z0-9][a-z0-9-]{0,39}$/

export function hostNames(folder = manifestsFolder): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isThere(join(folder, entry.name, 'manifest.yaml')))
    .map((entry) => entry.name)
    .sort()
}

/** Throws `not_found` with the nearest known host, `invalid_input` for a manifest that is wrong. */
export function readManifest(host: string, folder = manifestsFolder): Manifest {
  const known = hostNames(folder)
  if (!known.includes(host)) throw unknownHost(host, known)
  const place = join(folder, host)
  const file = parts(readYaml(host, join(place, 'manifest.yaml')), place)
  const sources = new Map<string, Buffer>()
  for (const { files, fragments } of Object.values(file.parts))
    for (const { from } of [...files, ...fragments])
      sources.set(from, readSource(host, place, from))
  const manifest = { host, file, readme: readReadme(place), sources }
  checkTargets(manifest)
  checkTemplates(manifest)
  return manifest
}

export function unknownHost(host: string, known: readonly string[]): Problem {
  const guess = nearest(host, known)
  return new Problem('not_found', `there is no manifest ${host}`, {
    remedy: guess ? `did you mean ${guess}?` : `there are ${known.join(', ')}`,
  })
}

function readYaml(host: string, path: string): ManifestFile {
  const lines = new LineCounter()
  const document = parseDocument(readFileSync(path, 'utf8'), {
    lineCounter: lines,
    prettyErrors: false,
  })
  const error = document.errors[0]
  if (error) throw wrong(host, `line ${lines.linePos(error.pos[0]).line}: ${error.message}`, error)
  const read = ManifestFile.safeParse(document.toJS())
  if (read.success) return read.data
  const { issues } = read.error
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  throw wrong(host, `${issue?.path.join('.') || 'it'}: ${issue?.message}`, read.error)
}

/** Whole folders taken apart, in an order that does not hang on the disk; what Python leaves behind when it is run is not ours. */
function parts(file: ManifestFile, place: string): ManifestFile {
  const apart = (part: PartEntry) => ({
    ...part,
    files: part.files.flatMap((entry) => (entry.from.endsWith('/') ? below(entry, place) : entry)),
  })
  const entries = Object.entries(file.parts).map(([name, part]) => [name, apart(part)] as const)
  return { ...file, parts: Object.fromEntries(entries) }
}

function below(entry: FileEntry, place: string): FileEntry[] {
  const folder = join(place, entry.from)
  if (!isThere(folder)) return [entry]
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((found) => !found.isDirectory())
    .map((found) => relative(folder, join(found.parentPath, found.name)))
    .filter((name) => !name.split('/').includes('__pycache__'))
    .sort()
    .map((name) => ({ ...entry, from: entry.from + name, to: entry.to + name }))
}

function readSource(host: string, place: string, from: string): Buffer {
  try {
    return readFileSync(join(place, from))
  } catch (error) {
    throw wrong(host, `${from} cannot be read`, error)
  }
}

function readReadme(place: string): string {
  const path = join(place, 'README.md')
  return isThere(path) ? readFileSync(path, 'utf8') : ''
}

/** One file, one origin: two would overwrite each other at each turn. */
function checkTargets({ host, file }: Manifest): void {
  for (const part of Object.values(file.parts)) {
    const files = part.files.map(({ to }) => to)
    const marked = part.fragments.map(({ into, from }) => `${into}\n${from}`)
    const double =
      pathsOf(part).find((path) => files.filter((to) => to === path).length > 1) ??
      part.fragments.find(({ into }) => files.includes(into))?.into ??
      marked.find((mark, at) => marked.indexOf(mark) !== at)?.split('\n')[0]
    if (double !== undefined) throw wrong(host, `${double} is written twice`)
  }
}

/** A name in braces is a setting exactly where a template is said to be. */
function checkTemplates({ host, file, sources }: Manifest): void {
  const known = Object.keys(file.settings)
  for (const part of Object.values(file.parts))
    for (const { from, template } of [...part.files, ...part.fragments]) {
      const content = sources.get(from) ?? Buffer.alloc(0)
      const names = namesIn(content.toString())
      const forgotten = names.find((name) => known.includes(name))
      if (!template && forgotten !== undefined)
        throw wrong(host, `${from} holds {{${forgotten}}} and is no template: write template: true`)
      if (template && !Buffer.from(content.toString()).equals(content))
        throw wrong(host, `${from} is a template and no UTF-8 text`)
      const missing = template ? names.find((name) => !known.includes(name)) : undefined
      if (missing !== undefined)
        throw wrong(
          host,
          `${from} holds {{${missing}}}, which is no setting${near(missing, known)}`,
        )
    }
  for (const text of textsOf(file)) {
    const missing = namesIn(text).find((name) => !known.includes(name))
    if (missing !== undefined)
      throw wrong(
        host,
        `"${text}" names {{${missing}}}, which is no setting${near(missing, known)}`,
      )
  }
}

function textsOf(file: ManifestFile): string[] {
  const token = (entry: TokenEntry | undefined) => (entry?.file === undefined ? [] : [entry.file])
  const inParts = Object.values(file.parts).flatMap((part) => [
    ...pathsOf(part),
    ...part.next,
    ...token(part.token),
  ])
  return [...inParts, ...token(file.token)]
}

function near(name: string, known: readonly string[]): string {
  const guess = nearest(name, known)
  return guess === undefined ? '' : `; did you mean ${guess}?`
}

function wrong(host: string, message: string, cause?: unknown): Problem {
  return new Problem('invalid_input', `manifests/${host}/manifest.yaml: ${message}`, {
    remedy: 'correct the manifest; manifests/README.md says how one is written',
    ...(cause === undefined ? {} : { cause }),
  })
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
